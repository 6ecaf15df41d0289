"""Somebody else's table, as CSV, to rows of cells.

Wide (one line a model, one column a metric) or long (columns metric, value, and k where the metric
does not name it). Lenient about names: HR@10, Recall@10, R@10, "Hit Rate @ 10 (%)", recall_10,
"Beauty NDCG@10" (a data set in front). Cells may carry a star, bold marks, a percent sign or an
error after "±"; empty ones and dashes are passed over, and so are lines that begin with "#".
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from genrec.errors import ConfigError, DataError
from genrec.evaluate.checks.sheet import Cell, Row, Sheet

Unit = Literal["auto", "percent", "share"]

METRICS = {
    "recall": ("recall", "rec", "r", "hit rate", "hitrate", "hit ratio", "hits", "hit", "hr", "h"),
    "ndcg": ("ndcg", "n"),
    "mrr": ("mrr", "m"),
}
FACTS = {
    "protocol": ("protocol",),
    "level": ("level", "scoring level", "hit level"),
    "num_beams": ("num beams", "beams", "beam", "beam size", "beam width"),
    "num_items": ("num items", "items", "catalogue", "catalog", "catalogue size"),
    "num_ranked": ("num ranked", "ranked", "candidates", "num candidates", "items ranked"),
    "invalid_rate": ("invalid rate", "invalid"),
    "duplicate_rate": ("duplicate rate", "duplicate", "duplicates"),
    "split": ("split",),
    "filter_seen": ("filter seen", "seen filtered", "filtered"),
    "seed": ("seed",),
}
"""What a table may say beside its metrics, and under which column names."""

_NAMES = {
    **{alias: name for name, aliases in FACTS.items() for alias in aliases},
    **dict.fromkeys(("model", "method", "approach", "algorithm", "ranker", "name"), "model"),
    **dict.fromkeys(("dataset", "data set", "data", "domain", "corpus"), "dataset"),
    **dict.fromkeys(("metric", "measure"), "metric"),
    **dict.fromkeys(("value", "score", "result", "mean"), "value"),
    **dict.fromkeys(("k", "cutoff", "top k"), "k"),
}
_ALIASES = {alias: metric for metric, aliases in METRICS.items() for alias in aliases}
_METRIC = re.compile(
    r"(?:(?P<dataset>.*?)[\s_/:.|-]+)?"
    rf"(?P<metric>{'|'.join(sorted(map(re.escape, _ALIASES), key=len, reverse=True))})"
    r"\s*(?:@|at|[\s_-])\s*(?P<k>\d+)\s*(?P<percent>\(?\s*%\s*\)?)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[-−+]?(?:\d+(?P<decimals>[.]\d*)?|(?P<bare>[.]\d+))(?:e(?P<power>[-+]?\d+))?"
)
_EMPTY = {"", "-", "–", "—", "n/a", "na", "nan", "none", "null", "/"}


@dataclass
class _Number:
    """A number as printed, before its unit is known."""

    metric: str
    k: int
    value: float
    step: float
    text: str
    percent: bool


@dataclass
class _Draft:
    """A row while it is being read."""

    line: int
    names: Mapping[str, str]
    numbers: dict[tuple[str, int], _Number] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def read_table(path: Path, unit: Unit = "auto") -> Sheet:
    """Read a table; see the module for what it may look like.

    Args:
        path: CSV, with comma, semicolon, tab or bar between cells.
        unit: Of the numbers; "auto" takes percent where more than half of them exceed 1.

    Raises:
        ConfigError: An unknown unit.
        DataError: The file cannot be read, or no column or line names a metric with a cutoff.
    """
    if unit not in get_args(Unit):
        raise ConfigError(f"unit is '{unit}'; choose {', '.join(get_args(Unit))}")
    header, lines = _read_lines(Path(path))
    known = {column: _NAMES[column] for column in header if column in _NAMES}
    metrics = {column: match for column in header if (match := _METRIC.fullmatch(column))}
    metrics = {column: match for column, match in metrics.items() if column not in known}
    is_long = not metrics and {"metric", "value"} <= set(known.values())
    drafts = list(_read_long(lines, known) if is_long else _read_wide(lines, known, metrics))
    drafts = [draft for draft in drafts if draft.numbers or draft.unreadable]
    if not any(draft.numbers for draft in drafts):
        raise DataError(
            f"{path} holds nothing to check: no column is called like HR@10, Recall@5 or NDCG@10, "
            "and there are no columns 'metric' and 'value'; see docs/evaluation.md"
        )
    values = [number.value for draft in drafts for number in draft.numbers.values()]
    is_percent = unit == "percent" or (
        unit == "auto" and sum(value > 1 for value in values) * 2 > len(values)
    )
    rows = tuple(_finish(draft, is_percent) for draft in drafts)
    ignored = tuple(column for column in header if column and column not in {*known, *metrics})
    return Sheet(Path(path), rows, ignored=ignored)


def _read_lines(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Return the columns' names and each line's number with its cells by column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); give a text file with a table") from None
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    header: list[str] = []
    lines = []
    for number, values in enumerate(_split(path, text, delimiter), start=1):
        cells = [value.strip().strip("*`").strip() for value in values]
        if not any(cells) or all(set(cell) <= set("-: ") for cell in cells):
            continue
        if not header:
            header = [_plain(cell) for cell in cells]
        else:
            cells = [_with_point(cell) for cell in cells] if delimiter != "," else cells
            lines.append((number, dict(zip(header, cells, strict=False))))
    return header, lines


def _split(path: Path, text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text), delimiter=delimiter)
    except csv.Error as error:
        raise DataError(f"{path} is no table ({error}); give CSV") from None


def _read_wide(
    lines: Sequence[tuple[int, dict[str, str]]],
    known: Mapping[str, str],
    metrics: Mapping[str, re.Match[str]],
) -> Iterator[_Draft]:
    for line, cells in lines:
        names = {known[column]: cell for column, cell in cells.items() if column in known}
        drafts: dict[str, _Draft] = {}
        for column, match in metrics.items():
            dataset = match["dataset"] or names.get("dataset", "")
            draft = drafts.setdefault(dataset, _Draft(line, {**names, "dataset": dataset}))
            _note(draft, match, cells.get(column, ""))
        yield from drafts.values()


def _read_long(
    lines: Sequence[tuple[int, dict[str, str]]], known: Mapping[str, str]
) -> Iterator[_Draft]:
    drafts: list[_Draft] = []
    latest: dict[tuple[tuple[str, str], ...], _Draft] = {}
    for line, cells in lines:
        names = {known[column]: cell for column, cell in cells.items() if column in known}
        metric, value, k = names.pop("metric", ""), names.pop("value", ""), names.pop("k", "")
        match = _METRIC.fullmatch(metric) or _METRIC.fullmatch(f"{metric}@{k}")
        if match is None:
            continue
        if match["dataset"]:
            names["dataset"] = match["dataset"]
        key = tuple(sorted(names.items()))
        # A metric given a second time begins another row of the same name.
        if key not in latest or _name_of(match) in latest[key].numbers:
            latest[key] = _Draft(line, names)
            drafts.append(latest[key])
        _note(latest[key], match, value)
    yield from drafts


def _name_of(match: re.Match[str]) -> tuple[str, int]:
    """Return a metric and its cutoff."""
    return _ALIASES[match["metric"].lower()], int(match["k"])


def _note(draft: _Draft, match: re.Match[str], text: str) -> None:
    """Add one cell to a row."""
    if text.lower() in _EMPTY:
        return
    metric, k = _name_of(match)
    number = _NUMBER.match(text)
    if number is None or k < 1:
        draft.unreadable.append(text)
        return
    decimals = len(number["decimals"] or number["bare"] or ".") - 1
    draft.numbers[metric, k] = _Number(
        metric=metric,
        k=k,
        value=float(number[0].replace("−", "-")),
        step=10.0 ** (int(number["power"] or 0) - decimals),
        text=text,
        percent="%" in text or bool(match["percent"]),
    )


def _finish(draft: _Draft, is_percent: bool) -> Row:
    names = {name: cell for name, cell in draft.names.items() if cell}
    model, dataset = names.pop("model", f"line {draft.line}"), names.pop("dataset", "")
    cells = []
    for number in draft.numbers.values():
        scale = 0.01 if number.percent or is_percent else 1.0
        value, slack = number.value * scale, number.step * scale / 2
        cells.append(Cell(number.metric, number.k, value, slack, number.text))
    return Row(
        where=" · ".join(part for part in (dataset, model) if part),
        dataset=dataset,
        model=model,
        cells=tuple(cells),
        facts={name: _fact(cell) for name, cell in names.items() if name in FACTS},
        unreadable=tuple(draft.unreadable),
    )


def _plain(name: str) -> str:
    """Return a column's name for comparing: lower case, one space for any run of separators."""
    return name.lower() if "@" in name else re.sub(r"[\s_-]+", " ", name.lower()).strip()


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
