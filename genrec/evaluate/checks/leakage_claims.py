"""Checks of how the numbers came about, as far as the report says it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genrec.evaluate.checks.report_table import Finding, ReportTable, Row

_FLOORS = ("repeatlast", "lastitem", "repeat", "lastclick")


def check_beams(table: ReportTable) -> Iterator[Finding]:
    """A search of B beams finds B items: metrics at k > B count places that nobody filled."""
    for row in _tested(table):
        widest = max((cell.k for cell in row.cells), default=0)
        beams = row.facts.get("num_beams")
        if isinstance(beams, int | float) and beams < widest:
            yield Finding(
                "beams", row.where, f"{beams:g} beams, but metrics at {widest}",
                f"search with at least {widest} beams, or report smaller k",
            )  # fmt: skip


def check_level(table: ReportTable) -> Iterator[Finding]:
    """A hit is an item: with hits counted on IDs, every item that shares one scores for all."""
    if table.report is not None and "level" not in table.report:
        yield Finding(
            "item-level", str(table.path), "the report does not say at which level it counts hits",
            "evaluate again with this version; it counts items",
        )  # fmt: skip
    levels = {row.where: str(row.facts["level"]) for row in table.rows if "level" in row.facts}
    for where, level in levels.items():
        if not level.startswith("item"):
            yield Finding(
                "item-level", where, f"hits are counted at level '{level}'",
                "turn every ID into its one item, and count items",
            )  # fmt: skip


def check_valid(table: ReportTable) -> Iterator[Finding]:
    """No place of a list is empty, holds a forbidden item or one given before."""
    for row in table.rows:
        for name in ("invalid_rate", "duplicate_rate"):
            rate = row.facts.get(name)
            if isinstance(rate, int | float) and rate > 0:
                what = name.removesuffix("_rate")
                yield Finding(
                    "valid-lists", row.where, f"{rate:.2%} of the places are {what}",
                    "decode under the trie of items that the request allows",
                )  # fmt: skip


def check_catalogue(table: ReportTable) -> Iterator[Finding]:
    """Everything is ranked: among fewer candidates any model looks better."""
    for row in table.rows:
        ranked, items = row.facts.get("num_ranked"), row.facts.get("num_items")
        if isinstance(ranked, int | float) and isinstance(items, int | float) and ranked < items:
            yield Finding(
                "whole-catalogue", row.where, f"{ranked:,.0f} of {items:,.0f} items were ranked",
                "rank the whole catalogue; sampled metrics do not even keep the models' order",
            )  # fmt: skip


def check_floor(table: ReportTable) -> Iterator[Finding]:
    """Repeating the last item stands beside every model: data with repeats reward it."""
    datasets: dict[str, bool] = {}
    for row in table.rows:
        plain = re.sub(r"[^a-z]", "", row.model.lower())
        datasets[row.dataset] = datasets.get(row.dataset, False) or plain.startswith(_FLOORS)
    for dataset, has_floor in datasets.items():
        if not has_floor:
            yield Finding(
                "floor",
                dataset or str(table.path),
                "no row says what repeating the last item scores",
                "evaluate without --no-baselines" if table.report else "add a row 'repeat-last'",
                "fail" if table.report else "warn",
            )


def _tested(table: ReportTable) -> Iterator[Row]:
    """Yield the rows that a number of beams speaks of: in our reports, those of the first ranker.

    The baselines beside it score every item.
    """
    for row in table.rows:
        if table.report is None or row.model == table.rows[0].model:
            yield row
