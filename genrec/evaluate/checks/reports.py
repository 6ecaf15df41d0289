"""Our own reports to rows of cells: a saved evaluation, or the JSON that ``evaluate`` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genrec.errors import ArtifactError, DataError
from genrec.evaluate.checks.lineage import trace
from genrec.evaluate.checks.report_table import TITLES, Cell, ReportTable, Row
from genrec.evaluate.report import MODES, mode_name
from genrec.evaluate.saved import read_evaluation


def read_saved(path: Path) -> ReportTable:
    """Read a saved evaluation with everything it rests on.

    Raises:
        ArtifactError: Unreadable, or not an evaluation.
    """
    saved = read_evaluation(path)
    rows = _read_rows(Path(path), saved.report)
    return ReportTable(Path(path), rows, saved.report, saved, trace(path))


def read_report(path: Path) -> ReportTable:
    """Read a report without its arrays.

    Raises:
        DataError: Not JSON, or not a report.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); give a report or a CSV table") from None
    if not isinstance(report, dict) or "rankers" not in report:
        raise DataError(f"{path} is no report of `genrec evaluate`: it names no rankers")
    return ReportTable(Path(path), _read_rows(Path(path), report), report)


def _read_rows(path: Path, report: Mapping[str, Any]) -> tuple[Row, ...]:
    try:
        return tuple(_rows(report))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(
            f"{path} is no whole report ({type(error).__name__}: {error}); "
            "run `genrec evaluate` again"
        ) from None


def _rows(report: Mapping[str, Any]) -> Iterator[Row]:
    _check_whole(report)
    setting = {name: value for name, value in report.items() if not isinstance(value, dict)}
    for ranker, modes in report["rankers"].items():
        for filter_seen, title in MODES.items():
            found = modes.get(mode_name(filter_seen))
            if found is None:
                continue
            cells = [
                Cell(*_metric(name), value["mean"], 0.0, f"{value['mean']:.6f}")
                for name, value in found.items()
                if isinstance(value, dict)
            ]
            rates = {name: found[name] for name in ("invalid_rate", "duplicate_rate")}
            facts = setting | rates | {"filter_seen": filter_seen}
            yield Row(f"{ranker} · {title}", "", ranker, tuple(cells), facts)


def _metric(name: str) -> tuple[str, int]:
    metric, _, k = name.partition("@")
    if metric not in TITLES:
        raise ValueError(f"no metric '{name}'")
    return metric, int(k)


def _check_whole(report: Mapping[str, Any]) -> None:
    """Fail on a report without what every check may ask of it."""
    for name in ("split", "num_items", "k"):
        report[name]
    for made in report.get("provenance", {}).values():
        for source in made.values():
            source.get("upto")
