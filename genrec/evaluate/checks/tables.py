"""Somebody else's table, as CSV, to rows of cells.

It may be wide (one line a model, one column a metric), long (columns metric and value, and k where
the metric does not name it) or turned (a column metric, one column a model). Lenient about names:
HR@10, Recall@10, R@10, "Hit Rate @ 10 (%)", recall_10, "Beauty NDCG@10" (a data set in front).
Cells may carry a star, bold marks, a percent sign or an error after "±"; empty ones and dashes are
passed over, and so are lines that begin with "#".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from genrec.errors import ConfigError, DataError
from genrec.evaluate.checks.report_table import Cell, ReportTable, Row
from genrec.evaluate.checks.text_claims import (
    FACTS,
    MetricName,
    Number,
    find_column,
    find_metric,
    find_number,
    is_empty,
)

Unit = Literal["auto", "percent", "share"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One cell with a metric in it.

    Attributes:
        line: Number of its line.
        names: What its line says: model, data set, facts.
        metric: Which metric it is.
        text: As printed.
    """

    line: int
    names: Mapping[str, str]
    metric: MetricName
    text: str


@dataclass
class _Draft:
    """A row while it is being read: its numbers by metric and cutoff, with their texts."""

    line: int
    names: Mapping[str, str]
    numbers: dict[tuple[str, int], tuple[Number, str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def read_table(path: Path, unit: Unit = "auto") -> ReportTable:
    """Read a table; see the module for what it may look like.

    Args:
        path: CSV, with comma, semicolon, tab or bar between cells.
        unit: Of the numbers; "auto" takes percent where more than half of them exceed 1.

    Raises:
        ConfigError: An unknown unit.
        DataError: The file cannot be read, or nothing in it is called like a metric.
    """
    if unit not in get_args(Unit):
        raise ConfigError(f"unit is '{unit}'; choose {', '.join(get_args(Unit))}")
    header, lines = _read_lines(Path(path))
    entries, ignored = _find_entries(header, lines)
    drafts = _gather(entries)
    values = [number.value for draft in drafts for number, _ in draft.numbers.values()]
    if not values:
        raise DataError(
            f"{path} holds nothing to check: no column is called like HR@10, Recall@5 or NDCG@10, "
            "and no column 'metric' names any; see docs/evaluation.md"
        )
    is_percent = unit == "percent" or (
        unit == "auto" and sum(value > 1 for value in values) * 2 > len(values)
    )
    return ReportTable(
        Path(path), tuple(_finish(draft, is_percent) for draft in drafts), ignored=ignored
    )


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the columns' names, and each line's number with its cells."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); give a text file with a table") from None
    # Comments become empty lines, so that the others keep their numbers.
    text = "\n".join("" if line.startswith("#") else line for line in text.splitlines())
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    lines = []
    try:
        for values in reader:
            cells = [value.strip().strip("*`").strip() for value in values]
            if any(cell.strip("-: ") for cell in cells):
                lines.append((reader.line_num, cells))
    except csv.Error as error:
        raise DataError(f"{path} is no table ({error}); give CSV") from None
    if not lines:
        return [], []
    if delimiter != ",":
        lines = [(number, [_with_point(cell) for cell in cells]) for number, cells in lines]
    return lines[0][1], lines[1:]


def _find_entries(
    header: Sequence[str], lines: Sequence[tuple[int, list[str]]]
) -> tuple[list[_Entry], tuple[str, ...]]:
    """Return every cell that holds a metric, and the columns that mean nothing here."""
    roles = {place: role for place, name in enumerate(header) if (role := find_column(name))}
    strangers = [place for place, name in enumerate(header) if name and place not in roles]
    is_turned = "metric" in roles.values() and "value" not in roles.values()
    entries, used = [], set(strangers) if is_turned else set()
    for line, cells in lines:
        names = {role: cells[place] for place, role in roles.items() if place < len(cells)}
        k, metric, value = names.pop("k", ""), names.pop("metric", None), names.pop("value", "")
        shown = {place: cells[place] for place in strangers if place < len(cells)}
        if metric is None:
            found = [(find_metric(header[place], k), names, text) for place, text in shown.items()]
            used |= {place for place in shown if find_metric(header[place], k)}
        elif is_turned:
            told = find_metric(metric, k)
            found = [
                (told, names | {"model": header[place]}, text) for place, text in shown.items()
            ]
        else:
            found = [(find_metric(metric, k), names, value)]
        entries += [_Entry(line, says, told, text) for told, says, text in found if told]
    return entries, tuple(header[place] for place in strangers if place not in used)


def _gather(entries: Sequence[_Entry]) -> list[_Draft]:
    """Put the cells that speak of one model on one data set into one row."""
    drafts: list[_Draft] = []
    latest: dict[tuple[tuple[str, str], ...], _Draft] = {}
    for entry in entries:
        names, metric = dict(entry.names), entry.metric
        names["dataset"] = metric.dataset or names.get("dataset", "")
        key = tuple(sorted(names.items()))
        # A metric given a second time begins another row of the same name.
        if key not in latest or (metric.metric, metric.k) in latest[key].numbers:
            latest[key] = _Draft(entry.line, names)
            drafts.append(latest[key])
        _note(latest[key], metric, entry.text)
    return [draft for draft in drafts if draft.numbers or draft.unreadable]


def _note(draft: _Draft, metric: MetricName, text: str) -> None:
    """Add one cell to a row."""
    if is_empty(text):
        return
    number = find_number(text)
    if number is None:
        draft.unreadable.append(text)
        return
    number = Number(number.value, number.step, number.percent or metric.percent)
    draft.numbers[metric.metric, metric.k] = number, text


def _finish(draft: _Draft, is_percent: bool) -> Row:
    names = {name: cell for name, cell in draft.names.items() if cell}
    model, dataset = names.pop("model", f"line {draft.line}"), names.pop("dataset", "")
    cells = []
    for (metric, k), (number, text) in draft.numbers.items():
        scale = 0.01 if number.percent or is_percent else 1.0
        cells.append(Cell(metric, k, number.value * scale, number.step * scale / 2, text))
    return Row(
        where=" · ".join(part for part in (dataset, model) if part),
        dataset=dataset,
        model=model,
        cells=tuple(cells),
        facts={name: _fact(cell) for name, cell in names.items() if name in FACTS},
        unreadable=tuple(draft.unreadable),
    )


def _with_point(cell: str) -> str:
    """Turn a decimal comma into a point."""
    return re.sub(r"^(\D*\d*),(\d)", r"\1.\2", cell)


def _fact(text: str) -> Any:
    """Return a number where the text is one, as a share where it is in percent."""
    number = text.removesuffix("%").replace(",", "").strip()
    try:
        return float(number) / 100 if text.endswith("%") else float(number)
    except ValueError:
        return text.lower()
