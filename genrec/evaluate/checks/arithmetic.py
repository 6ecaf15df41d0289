"""Checks of the numbers alone: they need to know nothing about how these came about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from genrec.evaluate.checks.bounds import SOLVER_SLACK, allowed_range, find_culprits, is_possible
from genrec.evaluate.checks.report_table import Cell, Finding, ReportTable, Row


def check_readable(table: ReportTable) -> Iterator[Finding]:
    """Every cell under a metric's name is a number."""
    for row in table.rows:
        for text in row.unreadable:
            yield Finding(
                "readable", row.where, f"'{text}' is no number",
                "write a number, or leave the cell empty", "warn",
            )  # fmt: skip


def check_range(table: ReportTable) -> Iterator[Finding]:
    """Recall, NDCG and MRR are shares: 0 to 1."""
    for row in table.rows:
        for cell in row.cells:
            if not -cell.slack <= cell.value <= 1 + cell.slack + SOLVER_SLACK:
                yield Finding(
                    "range", f"{row.where} · {cell.title}", f"{cell.text} is outside 0 to 1",
                    "compute it again; say --unit percent if the table is in percent",
                )  # fmt: skip


def check_monotone(table: ReportTable) -> Iterator[Finding]:
    """A longer list loses no hit: Recall and MRR never fall as k grows.

    With several targets NDCG may fall, its ideal grows too; with one it may not, and ``bounds``
    tells, as it does for MRR.
    """
    for row in table.rows:
        for metric in ("recall",) if row.has_one_target else ("recall", "mrr"):
            cells = sorted(_of(row.cells, metric), key=lambda cell: cell.k)
            for short, long in pairwise(cells):
                if long.value + long.slack < short.value - short.slack - SOLVER_SLACK:
                    yield Finding(
                        "monotone",
                        f"{row.where} · {long.title}",
                        f"{long.text} is less than {short.title} {short.text}",
                        "compute both on the same lists; longer lists contain the shorter ones",
                    )


def check_bounds(table: ReportTable) -> Iterator[Finding]:
    """With one target, NDCG and MRR lie within what Recall and the other cutoffs allow."""
    for row in table.rows:
        cells = [cell for cell in row.cells if -cell.slack <= cell.value <= 1 + cell.slack]
        if not row.has_one_target or not is_possible(_of(cells, "recall")):
            continue
        culprits = find_culprits(cells)
        ranges = {
            cell: allowed_range(cell, [other for other in cells if other not in dropped])
            for dropped in culprits
            for cell in dropped
        }
        if len(culprits) == 1:
            for cell, allowed in ranges.items():
                yield _refuse(row, {cell: allowed})
        elif culprits:
            yield _refuse(row, ranges)


def _refuse(row: Row, ranges: Mapping[Cell, tuple[float, float]]) -> Finding:
    """Return the finding for cells of which one or another is wrong, with what each could be."""
    told = [
        f"{cell.title} is {cell.text}, possible are {low:.4f} to {high:.4f}"
        for cell, (low, high) in ranges.items()
    ]
    return Finding(
        "bounds",
        f"{row.where} · {' or '.join(cell.title for cell in ranges)}",
        "no ranking has all metrics of this row: " + "; or ".join(told),
        "look for a slip of the pen, or for metrics of different runs in one row",
    )


def _of(cells: Sequence[Cell], metric: str) -> list[Cell]:
    return [cell for cell in cells if cell.metric == metric]
