"""How a column of times is written: told from a sample, and turned to seconds in SQL.

Enters: texts. Leaves: a ``TimeForm``, with a doubt where the texts allow two readings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from genrec.data.config import TimeUnit
from genrec.data.database import connect

_PER_SECOND: dict[TimeUnit, float] = {
    "s": 1,
    "ms": 1e3,
    "us": 1e6,
    "ns": 1e9,
    "days": 1 / 86400,
    "excel-days": 1 / 86400,
}
_EXCEL_DAYS_IN_1970 = 25569
UNIT_NAMES: dict[TimeUnit, str] = {
    "s": "seconds since 1970",
    "ms": "milliseconds since 1970",
    "us": "microseconds since 1970",
    "ns": "nanoseconds since 1970",
    "days": "days since 1970",
    "excel-days": "days as spreadsheets count them",
}
# Of any moment after 1973 there is one unit in which its number lies in a band.
_BANDS: tuple[tuple[float, TimeUnit], ...] = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
# Days of 1990 to 2035. Counters may lie there too, so it is asked.
_DAYS: tuple[tuple[float, float, TimeUnit], ...] = (
    (7305, 23741, "days"),
    (32874, 49310, "excel-days"),
)
_YEARS = (631152000, 2524608000)
"""Seconds of 1990 and 2050."""
_DIGITS_OF_DATES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}

_MONTH_FIRST = ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%m/%d/%y")
_DAY_FIRST = ("%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d/%m/%y", "%d.%m.%y")
_DATES = (
    *(*_DAY_FIRST, *_MONTH_FIRST, "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y"),
    *("%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%m %d, %Y", "%a %d %b %Y", "%a, %d %b %Y"),
)
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", ", %H:%M"),
    *(", %H:%M:%S", "T%H:%M:%S", " %H:%M:%S %z", ", %I:%M:%S %p", ", %I:%M %p"),
)
_WHOLE = (
    *("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S UTC %Y"),
    *("%a, %d %b %Y %H:%M:%S GMT", "%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%d-%H.%M.%S", "%Y%m%dT%H%M%S"),
    *("%Y%m%d %H%M%S", "%Y%m%d %H:%M:%S", "%Y%m%dT%H%M%SZ"),
)
_SAYS_UTC = re.compile(r"(?<!%)(?:\bUTC\b|\bGMT\b|(?<=%S)Z)")
FORMATS = tuple(date + clock for date in _DATES for clock in _CLOCKS) + _WHOLE


@dataclass(frozen=True, slots=True)
class TimeForm:
    """How times are written.

    Attributes:
        unit: Of times that are numbers; others are read as ISO dates.
        format: As strptime has it; None: numbers or ISO dates.
        doubt: Why it may be another one; with "!" where it has to be said.
        options: What would settle it, as options of ``genrec prepare``.
    """

    unit: TimeUnit = "s"
    format: str | None = None
    doubt: str | None = None
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def text(self) -> str:
        """Say it in words."""
        return f"as {self.format}" if self.format else UNIT_NAMES[self.unit]

    def seconds(self, column: str) -> str:
        """Return the SQL for seconds since 1970; NULL where the text is no such time."""
        if self.format:
            quoted = self.format.replace("'", "''")
            moment = f"try_strptime({column}, '{quoted}')"
            # Without a zone it is of the session's; one that says UTC stays as it is.
            return f"epoch({moment}{'' if _SAYS_UTC.search(self.format) else '::TIMESTAMPTZ'})"
        number = f"try_cast({column} AS DOUBLE)"
        if self.unit == "excel-days":
            number = f"({number} - {_EXCEL_DAYS_IN_1970})"
        if self.unit != "s":
            scale = _PER_SECOND[self.unit]
            number += f" / {scale!r}" if scale >= 1 else f" * {1 / scale!r}"
        return f"coalesce({number}, epoch(try_cast({column} AS TIMESTAMPTZ)))"


def tell(values: Sequence[str], day_first: bool | None = None) -> TimeForm:
    """Tell how times are written from a sample of them, none of them empty."""
    values = list(dict.fromkeys(value.strip() for value in values))
    if not values:
        return TimeForm()
    if all(re.fullmatch(r"\d+(\.\d*)?([eE]\+?\d+)?", value) for value in values):
        return _tell_number(values)
    with connect() as connection:

        def all_are(expression: str) -> bool:
            query = f"SELECT bool_and(({expression}) IS NOT NULL) FROM unnest($v) AS _(v)"
            return bool(connection.execute(query, {"v": values}).fetchall()[0][0])

        if all_are("try_cast(v AS TIMESTAMPTZ)"):
            return TimeForm()
        likely = [format for format in FORMATS if _parses(values[0], format)]
        fitting = [format for format in likely if all_are(f"try_strptime(v, '{format}')")]
    return _choose(fitting, day_first)


def are_times(values: Sequence[str]) -> bool:
    """Whether values are dates, or numbers that are moments since 1990 in one of the units."""
    values = list(dict.fromkeys(value.strip() for value in values))
    form = tell(values)
    if not values or form.format or form.doubt:
        return form.format is not None
    query = f"SELECT bool_and({form.seconds('v')} BETWEEN $first AND $last) FROM unnest($v) AS _(v)"
    with connect() as connection:
        parameters = {"v": values, "first": _YEARS[0], "last": _YEARS[1]}
        return bool(connection.execute(query, parameters).fetchall()[0][0])


def _choose(fitting: Sequence[str], day_first: bool | None) -> TimeForm:
    day = [name for name in fitting if name.startswith(_DAY_FIRST)]
    month = [name for name in fitting if name.startswith(_MONTH_FIRST)]
    if day and month:
        if day_first is None:
            doubt = "day or month may come first (--day-first or --month-first)!"
            return TimeForm(format=day[0], doubt=doubt, options=(("day-first", ()),))
        return TimeForm(format=(day if day_first else month)[0])
    return TimeForm(format=fitting[0]) if fitting else TimeForm()


def _tell_number(values: Sequence[str]) -> TimeForm:
    lengths = set(map(len, values))
    if len(lengths) == 1 and (format := _DIGITS_OF_DATES.get(lengths.pop())):
        if all(value.isdecimal() and _parses(value, format) for value in values):
            return TimeForm(format=format)
    numbers = [float(value) for value in values if float(value)]
    for start, unit in _BANDS:
        if numbers and all(start <= number < start * 1e3 for number in numbers):
            return TimeForm(unit=unit)
    for first, last, unit in _DAYS:
        if numbers and all(first <= number <= last for number in numbers):
            doubt = f"they may be {UNIT_NAMES[unit]}"
            return TimeForm(doubt=doubt, options=(("time-unit", (unit,)),))
    return TimeForm()


def _parses(value: str, format: str) -> bool:
    try:
        return 1900 <= datetime.strptime(value, format).year < 2100
    except ValueError:
        return False
