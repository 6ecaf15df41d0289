"""What users pass to the Python API and the command line, checked and brought to one form.

Each function takes a value and the name of the argument that holds it, and either returns the value
in its one form or names the argument, the value and what is expected instead.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from genrec.errors import DataError, WrongTypeError

Moment = int | float | str | date | np.datetime64
"""A point in time: seconds since 1970-01-01 UTC, ISO text, or a date or datetime object (also
NumPy's and pandas'). What names no zone is in UTC; a date is its first second."""

T = TypeVar("T")
SHOWN_CHARS = 60
# Beyond, a whole number is shown by its size.
_SHOWN_BELOW = 10**15

# Of the year 9999.
_LAST_SECOND = 253_402_300_799


def wrong_type(value: Any, name: str, expected: str) -> WrongTypeError:
    """Return the error to raise for an argument of a wrong type."""
    # A data frame's takes many lines.
    shown = " ".join(repr(value).split())
    shown = shown if len(shown) <= SHOWN_CHARS else shown[: SHOWN_CHARS - 1] + "…"
    return WrongTypeError(f"{name}={shown} is of type {type(value).__name__}; give {expected}")


def check_type(value: Any, name: str, kind: type[T], expected: str) -> T:
    """Return a value that must be of a type.

    Raises:
        WrongTypeError: It is not.
    """
    if not isinstance(value, kind):
        raise wrong_type(value, name, expected)
    return value


def check_text(value: Any, name: str) -> str:
    """Return a text that can be encoded, such as an ID.

    Raises:
        DataError: It is not text, or holds half of a surrogate pair.
    """
    check_type(value, name, str, "text (a str)")
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise DataError(f"{name}={value!r} holds half of a surrogate pair; give valid Unicode")
    return str(value)


def check_id(value: Any, name: str) -> str:
    """Return an ID as text; a whole number, of Python or NumPy, becomes text.

    Raises:
        DataError: It is neither.
    """
    if isinstance(value, str):
        return check_text(value, name)
    number = whole_number(value)
    if number is None:
        raise wrong_type(value, name, "text (a str) or a whole number")
    return str(number)


def is_id(value: Any) -> bool:
    """Tell whether a value is one ID, not a collection of them."""
    return isinstance(value, str) or whole_number(value) is not None


def check_ids(value: Any, name: str, of: str = "item IDs") -> list[str]:
    """Return a collection of IDs: a list, set, tuple, array or Series; None is empty.

    Raises:
        WrongTypeError: It is a bare text, not a collection, or holds something else.
    """
    elements = [] if value is None else check_collection(value, name, of)
    return [check_id(element, f"{name}[{n}]") for n, element in enumerate(elements)]


def is_missing(value: Any) -> bool:
    """Whether a value is what data frames hold for none: None, NaN, NaT or pandas' NA."""
    if value is None or type(value).__name__ == "NAType":
        return True
    # NaN and NaT differ from themselves.
    return isinstance(value, float | Decimal | date | np.generic) and bool(value != value)


def check_collection(value: Any, name: str, of: str) -> list[Any]:
    """Return the elements of a collection; a bare text is not taken for one of its characters.

    Raises:
        WrongTypeError: It is not a collection, or a data frame, which yields its columns.
    """
    is_frame = hasattr(value, "columns")
    if isinstance(value, str | bytes | Mapping) or is_frame or not isinstance(value, Iterable):
        raise wrong_type(value, name, f"a list of {of}")
    return list(value)


def whole_number(value: Any) -> int | None:
    """Return a whole number, of Python or NumPy, as an int; None: it is none."""
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def check_integer(value: Any, name: str) -> int:
    """Return a whole number, of Python or NumPy.

    Raises:
        WrongTypeError: It is none.
    """
    number = whole_number(value)
    if number is None:
        raise wrong_type(value, name, "a whole number (an int)")
    return number


def check_count(value: Any, name: str, most: int | None = None) -> int:
    """Return a whole number of at least 1.

    Args:
        value: What was given.
        name: Of the argument.
        most: The largest that is taken; None: any.

    Raises:
        DataError: It is none.
    """
    count = check_integer(value, name)
    if count < 1:
        raise DataError(f"{name}={show_number(count)}: give at least 1")
    if most is not None and count > most:
        raise DataError(f"{name}={show_number(count)}: give at most {most}")
    return count


def check_real(
    value: Any, name: str, expected: str, low: float, high: float, above: bool = False
) -> float:
    """Return a number within bounds, which NaN and infinity are not.

    Compared before it is made a float: a whole number may be too large for one.

    Args:
        value: What was given.
        name: Of the argument.
        expected: For messages, such as "a weight from 0 to 1".
        low: The least that is taken.
        high: The most.
        above: Whether ``low`` itself is not taken.

    Raises:
        DataError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise wrong_type(value, name, f"{expected} (a number)")
    number: Any = value
    if not (number > low if above else number >= low) or not number <= high:
        raise DataError(f"{name}={show_number(value)}: give {expected}")
    return float(value)


def show_number(value: Real | int | float) -> str:
    """Return a number for a message, in few characters however large it is.

    Examples:
        >>> show_number(0.25), show_number(1_234_567), show_number(10**400)
        ('0.25', '1234567', '1.00e+400')
    """
    if (whole := whole_number(value)) is None:
        return f"{float(value):g}"
    return str(whole) if abs(whole) < _SHOWN_BELOW else f"{Decimal(whole):.3g}"


def check_path(value: Any, name: str) -> Path:
    """Return a path of text or of a path object.

    Raises:
        WrongTypeError: It is neither.
    """
    if not isinstance(value, str | os.PathLike):
        raise wrong_type(value, name, "a path")
    return Path(value)


def check_flag(value: Any, name: str) -> bool:
    """Return True or False.

    Raises:
        WrongTypeError: It is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise wrong_type(value, name, "True or False")
    return bool(value)


def to_seconds(moment: Any, name: str = "moment") -> int:
    """Return a moment as seconds since 1970-01-01 UTC; fractions are cut off.

    Args:
        moment: See ``Moment``.
        name: Of the argument.

    Raises:
        DataError: It cannot be read as a moment.

    Examples:
        >>> to_seconds("2014-03-01"), to_seconds("2014-03-01T01:00+01:00"), to_seconds("12")
        (1393632000, 1393632000, 12)
    """
    # NaN, and NumPy's and pandas' NaT, differ from themselves.
    if isinstance(moment, float | date | np.generic) and moment != moment:
        raise DataError(f"{name}={moment} is not a moment in time")
    if isinstance(moment, np.datetime64):
        moment = moment.astype("datetime64[us]").item()
    if isinstance(moment, str):
        moment = _parse(moment, name)
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = aware.timestamp()
    elif isinstance(moment, date):
        moment = datetime.combine(moment, time(), UTC).timestamp()
    if isinstance(moment, float | np.floating):
        if not math.isfinite(moment):
            raise DataError(f"{name}={moment} is not a moment in time")
        moment = math.floor(moment)
    seconds = whole_number(moment)
    if seconds is None:
        raise wrong_type(moment, name, "seconds since 1970, ISO text, a date or a datetime")
    if abs(seconds) > _LAST_SECOND:
        raise DataError(
            f"{name}={seconds} lies after the year 9999; give seconds, not milliseconds"
        )
    return seconds


def _is_basic_date(text: str) -> bool:
    """Whether a text is a date without hyphens, such as 20140301: as seconds a day of 1970."""
    try:
        return len(text) == 8 and date.fromisoformat(text).year >= 1900
    except ValueError:
        return False


def _parse(text: str, name: str) -> int | datetime:
    stripped = text.strip()
    if stripped.removeprefix("-").isdecimal() and not _is_basic_date(stripped):
        return int(stripped)
    try:
        return datetime.fromisoformat(stripped)
    except ValueError:
        raise DataError(
            f"{name}={text[:SHOWN_CHARS]!r} is no time; write 2014-03-01, 2014-03-01T18:30 or "
            "seconds since 1970"
        ) from None
