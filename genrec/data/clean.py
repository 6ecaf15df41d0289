"""Batches under the file's names to tables under ours, with clean text.

Enters: batches of ``rows`` and how their file maps to our columns. Leaves: Arrow tables of text,
still to be judged row by row (``staging``). Text is user text: entities are unescaped, control
characters go, nothing is executed or trusted.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genrec.data.markup import MARKUP, strip_markup
from genrec.data.nested import flat
from genrec.data.objects import read_literal
from genrec.data.reading import Reading
from genrec.data.repairs import Repairs, rewrite
from genrec.data.rows import Batch
from genrec.data.sources import Constant, Derived
from genrec.errors import DataError
from genrec.redaction import REMOVED, redact
from genrec.schema import (
    ABOUT,
    ATTRIBUTES,
    BRAND,
    CATEGORIES,
    DESCRIPTION,
    EVENT_COLUMNS,
    ITEM_ID,
    RATING,
    TEXT,
    TIMESTAMP,
    TITLE,
    USER_ID,
)

LINE = "line"
MAX_ABOUT_CHARS = 2_000
"""Of what users say of themselves; what is longer is cut."""

_SPACES = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# For Arrow, whose regular expressions are RE2's.
_HAS_CONTROLS = r"[\x00-\x1f\x7f-\x{9f}]"
_IS_UNTIDY = r"[&\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}]"
# Bytes without which UTF-8 holds nothing untidy; 0xc2 begins U+0080 to U+00bf, 0xe2 U+2028.
_SUSPICIOUS = np.zeros(256, dtype=bool)
_SUSPICIOUS[[*range(0x20), ord("&"), 0x7F, 0xC2, 0xE2]] = True
_MAY_BE_MARKED = rf"{MARKUP}|getTime|^\s*\."


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


def is_tidy(values: pa.Array) -> bool:
    r"""Whether `tidy` would change no text but for its ends, told by one look at the bytes.

    That is ten times as fast as a pattern; False where it cannot tell.

    Examples:
        >>> is_tidy(pa.array(["Bath", None])), is_tidy(pa.array(["Bath &amp; Body"]))
        (True, False)
    """
    _, ends, data = values.buffers()
    if data is None or not len(values):
        return True
    places = np.frombuffer(ends, np.int32)[values.offset : values.offset + len(values) + 1]
    return not _SUSPICIOUS[np.frombuffer(data, np.uint8)[places[0] : places[-1]]].any()


def check_columns(
    found: Sequence[str], reading: Reading, required: Sequence[str], path: Path
) -> None:
    """Check that a file has the columns it must have, and none we would lose in silence.

    Raises:
        DataError: It names the column at fault and the columns found.
    """
    source = reading.source
    for name in required:
        column = source.columns.get(name, name)
        if isinstance(column, str) and column not in found:
            raise DataError(
                f"{path} has no column '{column}' (found: {', '.join(found)}); rename the column "
                f"that holds it, or name the corpus with --format{reading.advice}"
            )
    if source.others == "refuse":
        known = {*source.columns.values(), *reading.ignored}
        unknown = [name for name in found if name not in known]
        if unknown:
            raise DataError(
                f"{path} has an unknown column '{unknown[0]}' (found: {', '.join(found)}; known: "
                f"{', '.join(source.columns)}); rename it or list it in ignore_columns"
                f"{reading.advice}"
            )


def event_table(batch: Batch, reading: Reading, repairs: Repairs) -> pa.Table:
    """Return a batch of events: line, our event columns as text, and the text of searches."""
    maker = _Maker(batch, reading, repairs)
    return maker.table(EVENT_COLUMNS).append_column(TEXT, maker.texts(TEXT))


def item_table(batch: Batch, reading: Reading, repairs: Repairs) -> pa.Table:
    """Return a batch of items: line, and our item columns as text."""
    columns = (ITEM_ID, TITLE, BRAND, DESCRIPTION, TEXT, ATTRIBUTES, CATEGORIES)
    return _Maker(batch, reading, repairs).table(columns)


def user_table(batch: Batch, reading: Reading, repairs: Repairs) -> pa.Table:
    """Return a batch of users: line, ID, and what they say of themselves.

    Other columns are words of it, as "name: value"; addresses and long numbers are none.
    """
    table = _Maker(batch, reading, repairs).table((USER_ID, ABOUT, TEXT))
    said = zip(*(table.column(name).to_pylist() for name in (ABOUT, TEXT)), strict=True)
    about = [clean_about(about, (text or "").splitlines()) for about, text in said]
    return table.drop([ABOUT, TEXT]).append_column(ABOUT, pa.array(about, pa.string()))


def clean_about(about: str | None, others: Sequence[str] = ()) -> str | None:
    """Return what users say of themselves as it is kept; None: nothing.

    Args:
        about: In their own words.
        others: What else is known of them, each as "name: value".

    Examples:
        >>> clean_about("Tea. me@example.org", ["town: Oslo"])
        'Tea. … · town: Oslo'
    """
    said = " · ".join(part for part in (tidy(about or ""), *others) if part)
    kept = redact(said[:MAX_ABOUT_CHARS])
    return kept if kept.strip(f"{REMOVED} ") else None


class _Maker:
    """Makes our columns of one batch."""

    def __init__(self, batch: Batch, reading: Reading, repairs: Repairs) -> None:
        self.batch, self.reading, self.repairs = batch, reading, repairs

    def table(self, names: Sequence[str]) -> pa.Table:
        columns = {name: _MAKERS.get(name, _Maker.texts)(self, name) for name in names}
        return pa.table({LINE: pa.array(self.batch.lines, pa.int64())} | columns)

    def identifiers(self, name: str) -> pa.Array:
        """Return IDs: names, not text, so they are trimmed and otherwise left as they are."""
        values = self._values(name)
        if isinstance(values, list):
            values = pa.array(map(_identifier, values), pa.string())
        if not is_tidy(values):
            values, *_ = rewrite(values, _HAS_CONTROLS, lambda text: _CONTROLS.sub("", text))
        return self._known(pc.utf8_trim_whitespace(values))

    def plain(self, name: str) -> pa.Array:
        """Return values as they are written."""
        values = self._values(name)
        if isinstance(values, list):
            values = pa.array(map(_plain, values), pa.string())
        return self._known(pc.utf8_trim_whitespace(values))

    def ratings(self, name: str) -> pa.Array:
        values = self.plain(name)
        if self.reading.decimal == ",":
            change = _with_point
            values = self.repairs.rewrite(values, r"^-?[0-9.]*,[0-9]+$", change, "decimal")
        return values

    def texts(self, name: str) -> pa.Array:
        return self._tidy(self._values(name), " ", is_brand=name == BRAND)

    def categories(self, name: str) -> pa.Array:
        values = self._values(name)
        read = values if isinstance(values, list) else values.to_pylist()
        lists = [self._category_list(value) for value in read]
        # All parts are cleaned as one column; what is empty then goes.
        parts = self._tidy([part for parts in lists for part in parts], " ")
        kept = pc.fill_null(pc.not_equal(parts, ""), False)
        before = np.cumsum([0, *kept.to_numpy(zero_copy_only=False)])
        ends = np.cumsum([0, *map(len, lists)])
        offsets = pa.array(before[ends], pa.int32())
        return pa.ListArray.from_arrays(offsets, parts.filter(kept))

    def other_text(self, _: str) -> pa.Array:
        """Return what no other column holds, as lines "name: value"."""
        lines: list[list[str]] = [[] for _ in self.batch.lines]
        for shown, column in self._others(self.reading.source.text).items():
            for row, value in zip(lines, self._tidy(column, ", ").to_pylist(), strict=True):
                if value:
                    row.append(f"{shown}: {value}")
        return pa.array(["\n".join(row) or None for row in lines], pa.string())

    def attributes(self, _: str) -> pa.Array:
        """Return what no other column holds, as a JSON object of each row."""
        kept = {name: name for name in self.reading.source.attributes}
        others = flat(Batch(self.batch.lines, self._others(kept | dict(self.reading.source.text))))
        rows: list[dict[str, Any]] = [{} for _ in self.batch.lines]
        for name, column in others.columns.items():
            for row, value in zip(rows, self._compared(column), strict=True):
                if value not in (None, "", []):
                    row[name] = value
        written = [json.dumps(row, ensure_ascii=False) if row else None for row in rows]
        return pa.array(written, pa.string())

    def _others(self, named: Mapping[str, str]) -> dict[str, Any]:
        """Return the columns that are named, and all that are left where these are kept."""
        source, names = self.reading.source, dict(named)
        if source.others == "text":
            taken = {*source.columns.values(), *self.reading.ignored}
            names |= {name: name for name in self.batch.columns if name not in taken}
        columns = self.batch.columns
        return {tidy(shown): columns[name] for name, shown in names.items() if name in columns}

    def _compared(self, column: Any) -> list[Any]:
        """Return values as filters compare them: clean texts, numbers, and lists of texts."""
        if not isinstance(column, list):
            values: list[Any] = self._tidy(column, " ").to_pylist()
            return values
        lists = [list(each) if isinstance(each, list | tuple) else [each] for each in column]
        # All parts are cleaned as one column.
        parts = [None if _is_number(part) else part for each in lists for part in each]
        texts = iter(self._tidy(parts, " ").to_pylist())
        compared: list[Any] = []
        for value, members in zip(column, lists, strict=True):
            cleaned = [next(texts) for _ in members]
            if isinstance(value, list | tuple):
                both = zip(members, cleaned, strict=True)
                words = (_words(part) if _is_number(part) else text for part, text in both)
                compared.append([word for word in words if word])
            else:
                compared.append(value if _is_number(value) else cleaned[0])
        return compared

    def _values(self, name: str) -> pa.Array | list[Any]:
        column = self.reading.source.columns.get(name)
        num_rows = len(self.batch.lines)
        if isinstance(column, Constant):
            return pa.array([column.value] * num_rows, pa.string())
        if isinstance(column, Derived):
            absent = pa.nulls(num_rows, pa.string())
            parts = (self.batch.columns.get(each, absent) for each in column.columns)
            lists = (part if isinstance(part, list) else part.to_pylist() for part in parts)
            return list(map(column.make, *lists))
        return self.batch.columns.get(column or "", pa.nulls(num_rows, pa.string()))

    def _known(self, values: pa.Array) -> pa.Array:
        return self.repairs.drop_words(values, self.reading.null_words)

    def _tidy(
        self, values: pa.Array | list[Any], separator: str, is_brand: bool = False
    ) -> pa.Array:
        if isinstance(values, list):
            values = pa.array((_words(value, separator) for value in values), pa.string())
        if self.reading.html:
            values = self.repairs.rewrite(values, _MAY_BE_MARKED, strip_markup, "html")
            values, *_ = rewrite(values, r"\s\s", lambda text: re.sub(r"\s+", " ", text))
            if is_brand:
                values = self.repairs.rewrite(values, r"^\s*by\s", _without_by, "html")
        if not is_tidy(values):
            values, *_ = rewrite(values, _IS_UNTIDY, tidy)
        return self._known(pc.utf8_trim_whitespace(values))

    def _category_list(self, value: Any) -> Sequence[Any]:
        """Read a list, or a text: a list in it, or parts with "|" or " > " between them."""
        if isinstance(value, str):
            parts = read_list(value) if self.repairs.wants("lists") else None
            if parts is None:
                return value.split("|")
            self.repairs.note("lists", 1, value, " | ".join(map(str, parts)))
            return parts
        if isinstance(value, list | tuple):
            return value
        return () if value is None else (value,)


_MAKERS = {
    USER_ID: _Maker.identifiers,
    ITEM_ID: _Maker.identifiers,
    TIMESTAMP: _Maker.plain,
    RATING: _Maker.ratings,
    TEXT: _Maker.other_text,
    ATTRIBUTES: _Maker.attributes,
    CATEGORIES: _Maker.categories,
}


def read_list(text: str) -> list[Any] | None:
    """Return the list that a text is, in JSON, Python or as "A > B > C"; None: it is none."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        if re.match(r"\['[^']*'(\s+'[^']*')+\]$", text):  # as NumPy prints an array
            return re.findall(r"'([^']*)'", text)
        for read in (json.loads, read_literal):
            try:
                value = read(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, list):
                return value
    for separator in (" > ", " >> ", " › "):
        if separator in text:
            return text.split(separator)
    return None


def _with_point(number: str) -> str:
    return number.replace(".", "").replace(",", ".")


def _without_by(brand: str) -> str:
    return re.sub(r"^\s*by\s+", "", brand)


def _identifier(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    # What holds gaps keeps integers as floating point.
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) and value == value else None


def _is_number(value: Any) -> bool:
    return isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def _plain(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else str(value)


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
