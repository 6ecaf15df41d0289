"""Batches under the file's names to tables under ours, with clean text.

Enters: batches of ``rows`` and a corpus' ``Source``. Leaves: Arrow tables of text, still to be
judged row by row (``staging``). Text is user text: entities are unescaped, control characters go,
nothing is executed or trusted.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from genrec.data.formats import Column, Constant, Derived, Source
from genrec.data.rows import Batch
from genrec.errors import DataError
from genrec.schema import (
    BRAND,
    CATEGORIES,
    DESCRIPTION,
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    REVIEW,
    TEXT,
    TIMESTAMP,
    TITLE,
    USER_ID,
)

LINE = "line"

_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def tidy(text: str) -> str:
    r"""Unescape HTML entities once, put line breaks down to spaces, drop control characters.

    Examples:
        >>> tidy("Bath &amp; Body\nWorks\x00")
        'Bath & Body Works'
    """
    if "&" in text:
        text = html.unescape(text)
    if not text.isprintable():
        text = _CONTROLS.sub("", _SPACES.sub(" ", text))
    return text.strip()


def check_columns(
    found: Sequence[str],
    source: Source,
    required: Sequence[str],
    path: Path,
    ignored: Sequence[str],
) -> None:
    """Check that a file has the columns it must have, and none we would lose in silence.

    Raises:
        DataError: It names the column at fault and the columns found.
    """
    for name in required:
        column = source.columns[name]
        if isinstance(column, str) and column not in found:
            raise DataError(
                f"{path} has no column '{column}' (found: {', '.join(found)}); rename the column "
                "that holds it, or name the corpus with --format"
            )
    if source.others == "refuse":
        unknown = [name for name in found if name not in source.columns and name not in ignored]
        if unknown:
            raise DataError(
                f"{path} has an unknown column '{unknown[0]}' (found: {', '.join(found)}; known: "
                f"{', '.join(source.columns)}); rename it or list it in ignore_columns"
            )


def event_table(batch: Batch, source: Source) -> pa.Table:
    """Return a batch of events: line, and our event columns as text."""
    columns = {name: _values(batch, column) for name, column in source.columns.items()}
    return _table(
        batch,
        {
            USER_ID: _identifiers(columns[USER_ID]),
            ITEM_ID: _identifiers(columns[ITEM_ID]),
            TIMESTAMP: _plain(columns[TIMESTAMP]),
            EVENT_TYPE: _texts(columns.get(EVENT_TYPE)),
            RATING: _plain(columns.get(RATING)),
            TITLE: _texts(columns.get(TITLE)),
            REVIEW: _texts(columns.get(REVIEW)),
        },
    )


def item_table(batch: Batch, source: Source) -> pa.Table:
    """Return a batch of items: line, and our item columns as text."""
    columns = {name: _values(batch, column) for name, column in source.columns.items()}
    listed = columns.get(CATEGORIES) or [None] * len(batch.lines)
    categories = [_categories(value) for value in listed]
    table = _table(
        batch,
        {
            ITEM_ID: _identifiers(columns[ITEM_ID]),
            TITLE: _texts(columns.get(TITLE)),
            BRAND: _texts(columns.get(BRAND)),
            DESCRIPTION: _texts(columns.get(DESCRIPTION)),
            TEXT: _other_text(batch, source),
        },
    )
    return table.append_column(CATEGORIES, pa.array(categories, pa.list_(pa.string())))


def _table(batch: Batch, columns: dict[str, list[str | None] | None]) -> pa.Table:
    arrays = {LINE: pa.array(batch.lines, pa.int64())}
    for name, values in columns.items():
        arrays[name] = (
            pa.nulls(len(batch.lines), pa.string())
            if values is None
            else pa.array(values, pa.string())
        )
    return pa.table(arrays)


def _values(batch: Batch, column: Column) -> list[Any] | None:
    if isinstance(column, Constant):
        return [column.value] * len(batch.lines)
    if isinstance(column, Derived):
        absent = [None] * len(batch.lines)
        return list(map(column.make, *(batch.columns.get(name, absent) for name in column.columns)))
    return batch.columns.get(column)


def _identifiers(values: list[Any] | None) -> list[str | None] | None:
    return values and [
        value.strip() if type(value) is str and value.isprintable() else _identifier(value)
        for value in values
    ]


def _identifier(value: Any) -> str | None:
    if isinstance(value, str):
        return _CONTROLS.sub("", value).strip()
    # Parquet keeps integers with gaps as floating point.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) and value == value else None


def _plain(values: list[Any] | None) -> list[str | None] | None:
    return values and [
        value if value is None or type(value) is str else str(value) for value in values
    ]


def _texts(values: list[Any] | None) -> list[str | None] | None:
    return values and [
        value.strip()
        if type(value) is str and value.isprintable() and "&" not in value
        else tidy(_words(value))
        for value in values
    ]


def _words(value: Any, separator: str = " ") -> str:
    """Flatten whatever JSON holds into text."""
    if value is None:
        return ""
    if isinstance(value, dict):
        pairs = ((str(name), _words(part, ", ")) for name, part in value.items())
        return separator.join(f"{name}: {part}" for name, part in pairs if part)
    if isinstance(value, list | tuple):
        return separator.join(filter(None, (_words(part, separator) for part in value)))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _categories(value: Any) -> list[str]:
    """Read a list, or in files that have none a text with "|" between the parts."""
    if isinstance(value, str):
        value = value.split("|")
    if not isinstance(value, list | tuple):
        return []
    return [part for part in (tidy(_words(part)) for part in value) if part]


def _other_text(batch: Batch, source: Source) -> list[str | None]:
    names = dict(source.text)
    if source.others == "text":
        names |= {name: name for name in batch.columns if name not in source.columns}
    lines: list[list[str]] = [[] for _ in batch.lines]
    for name, shown in names.items():
        for row, value in zip(lines, batch.columns.get(name, ()), strict=False):
            if words := tidy(_words(value, ", ")):
                row.append(f"{tidy(shown)}: {words}")
    return ["\n".join(row) or None for row in lines]
