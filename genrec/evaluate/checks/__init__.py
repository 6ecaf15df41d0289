"""The report checker: what no ranking can have scored, and what nobody should believe.

Enters: a saved evaluation, a report as JSON, or a CSV of somebody else's table. Leaves: findings,
each with the rule, the place, the fault and the remedy. ``docs/evaluation.md`` explains the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from genrec.errors import DataError
from genrec.evaluate.checks.arithmetic import (
    check_bounds,
    check_monotone,
    check_range,
    check_readable,
)
from genrec.evaluate.checks.leakage_claims import (
    check_beams,
    check_catalogue,
    check_floor,
    check_level,
    check_valid,
)
from genrec.evaluate.checks.leaks import (
    check_counts,
    check_index_behaviour,
    check_index_data,
    check_learned_from,
    check_lineage,
    check_shared_ids,
)
from genrec.evaluate.checks.records import (
    check_items_ranked,
    check_means,
    check_ties,
    check_unchanged,
)
from genrec.evaluate.checks.report_table import Finding, ReportTable
from genrec.evaluate.checks.reports import read_report, read_saved
from genrec.evaluate.checks.tables import Unit, read_table
from genrec.evaluate.saved import find_evaluations

__all__ = ["CHECKS", "Finding", "ReportTable", "Unit", "check", "read_report_tables"]

CHECKS: tuple[Callable[[ReportTable], Iterator[Finding]], ...] = (
    *(check_readable, check_range, check_monotone, check_bounds),
    *(check_beams, check_level, check_valid, check_catalogue, check_floor),
    *(check_unchanged, check_means, check_ties, check_items_ranked, check_lineage),
    *(check_index_data, check_index_behaviour, check_shared_ids),
    *(check_learned_from, check_counts),
)


def check(table: ReportTable) -> list[Finding]:
    """Put a report or table to every check."""
    return [finding for rule in CHECKS for finding in rule(table)]


def read_report_tables(path: Path, unit: Unit = "auto") -> list[ReportTable]:
    """Read a file or a folder.

    Args:
        path: A saved evaluation, a folder with evaluations directly in it, a report (.json), or
            a table (any other file).
        unit: See ``tables.read_table``.

    Raises:
        DataError: Nothing there, or nothing that can be checked.
        ArtifactError: No evaluation, or one that cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a saved evaluation, a report or a CSV table")
    if path.is_file():
        return [read_report(path) if path.suffix == ".json" else read_table(path, unit)]
    return [read_saved(each) for each in find_evaluations(path)]
