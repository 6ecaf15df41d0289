"""Checks of how the numbers came about, as far as the report says it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from genrec.evaluate.checks.report_table import Finding, Row, Sheet

_FLOORS = ("repeatlast", "lastitem", "repeat", "lastclick")


def check_beams(sheet: Sheet) -> Iterator[Finding]:
    """A search of B beams finds B items: metrics at k > B count places that nobody filled."""
    for row in _tested(sheet):
        widest = max((cell.k for cell in row.cells), default=0)
        beams = row.facts.get("num_beams")
        if isinstance(beams, int | float) and beams < widest:
            yield Finding(
                "beams", row.where, f"{beams:g} beams, but metrics at {widest}",
                f"search with at least {widest} beams, or report smaller k",
            )  # fmt: skip


def check_level(sheet: Sheet) -> Iterator[Finding]:
    """A hit is an item: with hits counted on IDs, every item that shares one scores for all."""
    if sheet.report is not None and "level" not in sheet.report:
        yield Finding(
            "item-level", str(sheet.path), "the report does not say at which level it counts hits",
            "evaluate again with this version; it counts items",
        )  # fmt: skip
    levels = {row.where: str(row.facts["level"]) for row in sheet.rows if "level" in row.facts}
    for where, level in levels.items():
        if not level.startswith("item"):
            yield Finding(
                "item-level", where, f"hits are counted at level '{level}'",
                "turn every ID into its one item, and count items",
            )  # fmt: skip


def check_valid(sheet: Sheet) -> Iterator[Finding]:
    """No place of a list is empty, holds a forbidden item or one given before."""
    for row in sheet.rows:
        for name in ("invalid_rate", "duplicate_rate"):
            rate = row.facts.get(name)
            if isinstance(rate, int | float) and rate > 0:
                what = name.removesuffix("_rate")
                yield Finding(
                    "valid-lists", row.where, f"{rate:.2%} of the places are {what}",
                    "decode under the trie of items that the request allows",
                )  # fmt: skip


def check_catalogue(sheet: Sheet) -> Iterator[Finding]:
    """Everything is ranked: among fewer candidates any model looks better."""
    for row in sheet.rows:
        ranked, items = row.facts.get("num_ranked"), row.facts.get("num_items")
        if isinstance(ranked, int | float) and isinstance(items, int | float) and ranked < items:
            yield Finding(
                "whole-catalogue", row.where, f"{ranked:,.0f} of {items:,.0f} items were ranked",
                "rank the whole catalogue; sampled metrics do not even keep the models' order",
            )  # fmt: skip


def check_floor(sheet: Sheet) -> Iterator[Finding]:
    """Repeating the last item stands beside every model: data with repeats reward it."""
    datasets: dict[str, bool] = {}
    for row in sheet.rows:
        plain = re.sub(r"[^a-z]", "", row.model.lower())
        datasets[row.dataset] = datasets.get(row.dataset, False) or plain.startswith(_FLOORS)
    for dataset, has_floor in datasets.items():
        if not has_floor:
            yield Finding(
                "floor",
                dataset or str(sheet.path),
                "no row says what repeating the last item scores",
                "evaluate without --no-baselines" if sheet.report else "add a row 'repeat-last'",
                "fail" if sheet.report else "warn",
            )


def _tested(sheet: Sheet) -> Iterator[Row]:
    """Yield the rows that a number of beams speaks of: in our reports, those of the first ranker.

    The baselines beside it score every item.
    """
    for row in sheet.rows:
        if sheet.report is None or row.model == sheet.rows[0].model:
            yield row
