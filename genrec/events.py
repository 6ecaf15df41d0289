"""The one door by which events of a user's own enter the library.

Enters: a data frame, or a collection of events, mappings or tuples. Leaves: ``Event``s, their times
in seconds, what is missing None. Everything else is refused by name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from genrec.arguments import (
    check_collection,
    check_id,
    check_text,
    is_missing,
    to_seconds,
    wrong_type,
)
from genrec.errors import DataError
from genrec.schema import ITEM_ID, RATING, TIMESTAMP, USER_ID, Event

NEW_USER = "new user"
"""Stands for a user who is not in the data."""

_NAMES = tuple(field.name for field in fields(Event))


def read_events(given: Any, name: str = "events") -> tuple[Event, ...]:
    """Return events as they may be given: in a data frame, as mappings, tuples or ``Event``s.

    Args:
        given: A pandas, Polars or Arrow table with columns named as the fields of ``Event``, or a
            collection of events, of mappings by these names, or of tuples (item_id, timestamp,
            event_type, rating, title, review), which may end early. ``user_id`` may be left out.
        name: Of the argument.

    Raises:
        DataError: Something is missing or of a wrong type; the message names it.

    Examples:
        >>> read_events([("P013", "2020-09-13", "view"), {"item_id": 7, "timestamp": 9}])
        (Event(user_id='new user', item_id='P013', timestamp=1599955200, event_type='view'), \
Event(user_id='new user', item_id='7', timestamp=9))
    """
    rows = _records(given, name)
    rows = check_collection(given, name, "events") if rows is None else rows
    return tuple(_read(row, f"{name}[{place}]") for place, row in enumerate(rows))


def _records(given: Any, name: str) -> Iterable[Any] | None:
    """Return the rows of a data frame as mappings; None: it is none."""
    if hasattr(given, "to_pylist") and hasattr(given, "column_names"):
        _check_names(given.column_names, name)
        return list(given.to_pylist())
    if hasattr(given, "to_dicts"):
        return list(given.to_dicts())
    if hasattr(given, "columns") and hasattr(given, "to_dict"):
        _check_names(given.columns, name)
        return list(given.to_dict("records"))
    return None


def _check_names(columns: Iterable[Any], name: str) -> None:
    # Of columns that share a name, all but one would be lost.
    if twice := [column for column, count in Counter(columns).items() if count > 1]:
        raise DataError(f"{name} has several columns {twice[0]!r}; drop or rename some")


def _read(row: Any, name: str) -> Event:
    values = _values(row, name)
    present = {field: value for field, value in values.items() if not is_missing(value)}
    for field in (ITEM_ID, TIMESTAMP):
        if field not in present:
            raise wrong_type(values.get(field), f"{name}.{field}", "one: every event has it")
    read: dict[str, Any] = {}
    for field, value in present.items():
        where = f"{name}.{field}"
        if field in (USER_ID, ITEM_ID):
            read[field] = check_id(value, where)
        elif field == TIMESTAMP:
            read[field] = to_seconds(value, where)
        elif field == RATING:
            read[field] = _number(value, where)
        else:
            read[field] = check_text(value, where)
    return Event(**({USER_ID: NEW_USER} | read))


def _values(row: Any, name: str) -> dict[str, Any]:
    if isinstance(row, Event):
        return {field: getattr(row, field) for field in _NAMES}
    if isinstance(row, Mapping):
        unknown = [field for field in row if field not in _NAMES]
        if unknown:
            raise DataError(
                f"{name} has an unknown field {unknown[0]!r}; known: {', '.join(_NAMES)}"
            )
        return dict(row)
    if isinstance(row, tuple | list):
        if hasattr(row, "_asdict"):
            values = row._asdict()
            values.pop("Index", None)
            return _values(values, name)
        if len(row) < len(_NAMES):
            return dict(zip(_NAMES[1:], row, strict=False))
        raise DataError(f"{name} has {len(row)} values; give at most {', '.join(_NAMES[1:])}")
    raise wrong_type(row, name, "a genrec.Event, a mapping or a tuple (item_id, timestamp, …)")


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
        raise wrong_type(value, name, "a number")
    try:
        number = float(value)
    except OverflowError:
        # A whole number that is too large for one.
        number = math.inf
    if not math.isfinite(number):
        raise DataError(f"{name}={number} is no rating; give a finite number or None")
    return number
