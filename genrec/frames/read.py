"""From a user's data frame to histories and user IDs, with every fault told in one line.

Enters: a pandas or Polars data frame or series, or an Arrow table. Leaves: nouns of ``schema``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from narwhals.exceptions import DuplicateError

from genrec.arguments import check_id, check_text, is_missing, to_seconds, whole_number
from genrec.data.clean import read_list
from genrec.errors import DataError
from genrec.schema import (
    ABOUT,
    CATEGORIES,
    EVENT_COLUMNS,
    EVENT_TYPE,
    ITEM_COLUMNS,
    ITEM_ID,
    RATING,
    SEARCHES,
    TEXT,
    TIMESTAMP,
    USER_ID,
    Attribute,
    Event,
    History,
    Item,
    Search,
)

SHOWN = 8
"""Columns of the user's that an error lists at most."""


def as_frame(value: Any, name: str) -> nw.DataFrame[Any] | None:
    """Return a data frame behind one interface; None where it is none.

    Args:
        value: Anything.
        name: Of the argument.

    Raises:
        DataError: Columns share a name.
    """
    if isinstance(value, pa.RecordBatch):
        value = pa.Table.from_batches([value])
    try:
        found = nw.from_native(value, eager_only=True, pass_through=True)
    except DuplicateError as error:
        _, *twice = str(error).splitlines()
        told = ", ".join(line.removeprefix("- ") for line in twice)
        raise DataError(f"{name} has columns of one name ({told}); drop or rename some") from None
    return found if isinstance(found, nw.DataFrame) else None


def as_series(value: Any) -> nw.Series[Any] | None:
    """Return a series behind one interface; None where it is none."""
    if isinstance(value, pa.Array):
        value = pa.chunked_array([value])
    found = nw.from_native(value, series_only=True, pass_through=True)
    return found if isinstance(found, nw.Series) else None


def read_ids(
    values: Sequence[Any], name: str, is_left_out: Sequence[bool] | None = None
) -> list[str]:
    """Return IDs as text; whole numbers become their digits.

    Args:
        values: Of a column.
        name: Of it.
        is_left_out: Rows that need none, and get an empty one; None: no row.

    Raises:
        DataError: One is missing, or is neither text nor a whole number, or both kinds occur.
    """
    ids = list[str]()
    first: Any = None
    for row, value in enumerate(values):
        if is_left_out is not None and is_left_out[row]:
            ids.append("")
            continue
        first = value if first is None else first
        if is_missing(value) or (isinstance(value, str) and not value):
            raise DataError(f"{name}[{row}] is missing; drop the row or fill it in")
        ids.append(check_id(value, f"{name}[{row}]"))
        if isinstance(value, str) != isinstance(first, str):
            raise DataError(
                f"{name} mixes text and numbers (row {row}: {value!r}); make all of them text"
            )
    return ids


def read_histories(frame: nw.DataFrame[Any], name: str = "events") -> list[History]:
    """Return the users of a frame of events in order of appearance, what they did oldest first.

    What happened at the same moment keeps the frame's order; equal rows count once.

    Raises:
        DataError: See ``read_rows``.
    """
    by_user: dict[str, dict[Event | Search, None]] = {}
    for row in read_rows(frame, name):
        fields: dict[str, Any] = {column: row.get(column) for column in EVENT_COLUMNS}
        is_search = row[TEXT] is not None
        act = Search(row[TIMESTAMP], row[TEXT]) if is_search else Event(**fields)
        by_user.setdefault(row[USER_ID], {})[act] = None
    return [_history(user_id, acts) for user_id, acts in by_user.items()]


def _history(user_id: str, acts: Iterable[Event | Search]) -> History:
    in_order = sorted(acts, key=lambda act: act.timestamp)
    return History(
        user_id,
        tuple(act for act in in_order if isinstance(act, Event)),
        tuple(act for act in in_order if isinstance(act, Search)),
    )


def read_rows(frame: nw.DataFrame[Any], name: str = "events") -> list[dict[str, Any]]:
    """Return the rows of a frame of events, in its order, with values of the types of ``Event``.

    A row without item whose ``event_type`` is "search" is one, for its ``text``; nothing is read
    of another row's text. So does ``genrec prepare``.

    Args:
        frame: Columns of ``EVENT_COLUMNS``: ``user_id``, ``item_id`` and ``timestamp`` at least;
            and ``text`` of searches. Times are datetimes, dates, ISO text or seconds since 1970.
        name: Of the argument.

    Raises:
        DataError: A column is missing or unknown, or a value cannot be used; it names the row.
    """
    check_columns(frame, (USER_ID, ITEM_ID, TIMESTAMP), (*EVENT_COLUMNS, TEXT), name)
    columns = {str(column): frame.get_column(column).to_list() for column in frame.columns}
    for column in set(columns) - {USER_ID, ITEM_ID, TIMESTAMP}:
        read = _rating if column == RATING else _optional_text
        columns[column] = [
            read(value, f"{name}.{column}[{row}]") for row, value in enumerate(columns[column])
        ]
    item_ids, nothing = columns[ITEM_ID], [None] * len(columns[ITEM_ID])
    is_search = [
        (is_missing(item_id) or item_id == "") and (event_type or "").lower() in SEARCHES
        for item_id, event_type in zip(item_ids, columns.get(EVENT_TYPE, nothing), strict=True)
    ]
    columns[USER_ID] = read_ids(columns[USER_ID], f"{name}.{USER_ID}")
    columns[ITEM_ID] = read_ids(item_ids, f"{name}.{ITEM_ID}", is_search)
    columns[TIMESTAMP] = [
        to_seconds(value, f"{name}.{TIMESTAMP}[{row}]")
        for row, value in enumerate(columns[TIMESTAMP])
    ]
    texts = columns.get(TEXT, nothing)
    for row, text in enumerate(texts):
        if is_search[row] and text is None:
            raise DataError(f"{name}.{TEXT}[{row}] is missing, of a search; drop the row")
    columns[TEXT] = [text if found else None for text, found in zip(texts, is_search, strict=True)]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def read_items(frame: nw.DataFrame[Any], name: str = "items") -> list[Item]:
    """Return the entries of a frame of items; other columns become attributes and text.

    Raises:
        DataError: No ``item_id``, an ID twice, or a value that cannot be used.
    """
    check_columns(frame, (ITEM_ID,), None, name)
    columns = {str(column): frame.get_column(column).to_list() for column in frame.columns}
    ids = read_ids(columns.pop(ITEM_ID), f"{name}.{ITEM_ID}")
    if twice := [item_id for item_id, count in Counter(ids).items() if count > 1]:
        raise DataError(f"{name}: item '{twice[0]}' stands in several rows; give one row an item")
    items = []
    for row, item_id in enumerate(ids):
        values = {column: cells[row] for column, cells in columns.items()}
        known = {
            column: _optional_text(values[column], f"{name}.{column}[{row}]")
            for column in ITEM_COLUMNS
            if column in values and column != CATEGORIES
        }
        others = {
            column: value
            for column, value in values.items()
            if column not in ITEM_COLUMNS and not is_missing(value)
        }
        words = {column: _optional_text(str(value), column) for column, value in others.items()}
        text = "\n".join(f"{column}: {value}" for column, value in words.items()) or None
        attributes = {column: _attribute(value, column) for column, value in others.items()}
        categories = _categories(values.get(CATEGORIES), f"{name}.{CATEGORIES}[{row}]")
        items.append(
            Item(item_id, categories=categories, text=text, attributes=attributes, **known)
        )
    return items


def read_descriptions(frame: nw.DataFrame[Any], name: str = "users") -> dict[str, str | None]:
    """Return what users say of themselves by ID, of whom each counts once; None: nothing.

    Raises:
        DataError: No ``user_id``, a value that cannot be used, or a user says two things.
    """
    check_columns(frame, (USER_ID,), None, name)
    ids = read_ids(frame[USER_ID].to_list(), f"{name}.{USER_ID}")
    said = frame[ABOUT].to_list() if ABOUT in frame.columns else [None] * len(ids)
    texts = [_optional_text(text, f"{name}.{ABOUT}[{row}]") for row, text in enumerate(said)]
    found: dict[str, str | None] = {}
    for user_id, text in zip(ids, texts, strict=True):
        if found.setdefault(user_id, text) != text:
            raise DataError(f"{name}: user '{user_id}' says two things; give one row a user")
    return found


def check_columns(
    frame: nw.DataFrame[Any], required: Sequence[str], known: Sequence[str] | None, name: str
) -> None:
    """Check the columns of a frame.

    Args:
        frame: The user's.
        required: Columns it must have.
        known: Columns it may have; None: any.
        name: Of the argument.

    Raises:
        DataError: One is missing or unknown.
    """
    found = [str(column) for column in frame.columns]
    shown = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
    if missing := [column for column in required if column not in found]:
        # Of pandas alone; its values are in no column.
        index = getattr(getattr(frame.to_native(), "index", None), "names", ())
        remedy = "reset_index() makes one of its index" if missing[0] in index else "rename one"
        raise DataError(
            f"{name} has no column '{missing[0]}' (its columns: {shown or 'none'}); {remedy}, "
            f"it needs {', '.join(required)}"
        )
    if unknown := [column for column in found if known is not None and column not in known]:
        raise DataError(
            f"{name} has a column '{unknown[0]}' that is not known; drop or rename it, columns "
            f"are {', '.join(known or ())}"
        )


def _optional_text(value: Any, name: str) -> str | None:
    if is_missing(value):
        return None
    return check_text(value, name) or None


def _attribute(value: Any, name: str) -> Attribute:
    """Return a value as filters compare it: a number, a text, or a tuple of texts."""
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(check_text(str(each), name) for each in value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if (whole := whole_number(value)) is not None:
        return whole
    if isinstance(value, Real | Decimal) and math.isfinite(value):
        return float(value)
    return check_text(str(value), name)


def _rating(value: Any, name: str) -> float | None:
    if is_missing(value):
        return None
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise DataError(f"{name}={value!r} is no rating; give numbers")
    try:
        rating = float(value)
    except OverflowError:
        # A whole number that is too large for one.
        rating = math.inf
    if not math.isfinite(rating):
        raise DataError(f"{name}={rating} is no rating; give finite numbers")
    return rating


def _categories(value: Any, name: str) -> tuple[str, ...]:
    if value is None or (not isinstance(value, str) and not hasattr(value, "__len__")):
        if value is None or is_missing(value):
            return ()
        raise DataError(f"{name}={value!r} are no categories; give a list of texts, or one text")
    if isinstance(value, str):
        # As in a file: a text may hold a list.
        value = read_list(value) or value.split("|")
    given = list(value)
    return tuple(check_text(each, name) for each in given)
