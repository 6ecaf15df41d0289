"""One attribute of many items as arrays that answer a condition in a few operations.

Enters: the values of an attribute, item by item. Leaves: masks. A column of numbers is an array; a
column of texts is, for each text in the order of code points, the rows that hold it, so a set of
texts is a few slices and a range of texts is one.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from genrec.filters.language import MAX_NUMBER, Bound, Membership, Value
from genrec.schema import Attribute

Kind = Literal["numbers", "texts"]

# A price may have its currency before it, and commas between thousands. What begins with 0 is a
# code, not a number.
_NUMERAL = re.compile(
    r"[$€£¥]?\s?(-?(?:0|[1-9]\d*|[1-9]\d{0,2}(?:,\d{3})+)(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)"
)
_FEW = 8
"""So many comparisons with a whole array cost less than looking up each of its values."""


@dataclass(frozen=True, eq=False)
class NumberColumn:
    """An attribute of which every value is a number.

    Attributes:
        values: NaN where an item has none. Shape: (N,), float64.
    """

    values: np.ndarray
    kind: Kind = "numbers"

    @property
    def example(self) -> float:
        """A value."""
        return float(self.values[np.flatnonzero(self.exists())[0]])

    def among(self, how: Membership, wanted: Sequence[Value]) -> np.ndarray:
        """See ``language.Among``; texts are no number's. Shape: (N,), bool."""
        numbers = sorted({value for value in wanted if not isinstance(value, str)})
        if how == "all" and len({*wanted}) != 1:
            return np.zeros(len(self.values), dtype=bool) if wanted else self.exists()
        mask = np.zeros(len(self.values), dtype=bool)
        if len(numbers) <= _FEW:
            for number in numbers:
                mask |= self.values == number
        else:
            sorted_numbers = np.array(numbers)
            places = np.searchsorted(sorted_numbers, self.values).clip(max=len(numbers) - 1)
            mask = sorted_numbers[places] == self.values
        return ~mask if how == "none" else mask

    def compare(self, how: Bound, bound: Value) -> np.ndarray:
        """See ``language.Compare``; a text is no number's bound. Shape: (N,), bool."""
        mask = np.zeros(len(self.values), dtype=bool)
        if not isinstance(bound, str):
            _COMPARE[how](self.values, bound, out=mask)
        return mask

    def exists(self) -> np.ndarray:
        """Tell which items have a value. Shape: (N,), bool."""
        mask: np.ndarray = np.isfinite(self.values)
        return mask


@dataclass(frozen=True, eq=False)
class TextColumn:
    """An attribute that holds texts, several of an item maybe.

    Attributes:
        texts: Distinct, in the order of code points.
        starts: The rows that hold ``texts[n]`` are ``rows[starts[n] : starts[n + 1]]``.
        rows: Shape: (values of all items,), int64.
        num_rows: N.
    """

    texts: list[str]
    starts: np.ndarray
    rows: np.ndarray
    num_rows: int
    kind: Kind = "texts"

    @property
    def example(self) -> str:
        """A value."""
        return self.texts[0]

    def among(self, how: Membership, wanted: Sequence[Value]) -> np.ndarray:
        """See ``language.Among``; numbers are no text's. Shape: (N,), bool."""
        if how == "all":
            mask = self.exists()
            for value in wanted:
                mask &= self._holding(*self._place(value))
            return mask
        mask = np.zeros(self.num_rows, dtype=bool)
        for value in wanted:
            first, last = self._place(value)
            mask[self.rows[self.starts[first] : self.starts[last]]] = True
        return ~mask if how == "none" else mask

    def compare(self, how: Bound, bound: Value) -> np.ndarray:
        """See ``language.Compare``: whether one of its texts lies there. Shape: (N,), bool."""
        if not isinstance(bound, str):
            return np.zeros(self.num_rows, dtype=bool)
        first, last = 0, len(self.texts)
        match how:
            case "lt":
                last = bisect_left(self.texts, bound)
            case "lte":
                last = bisect_right(self.texts, bound)
            case "gt":
                first = bisect_right(self.texts, bound)
            case "gte":
                first = bisect_left(self.texts, bound)
        return self._holding(first, last)

    def exists(self) -> np.ndarray:
        """Tell which items have a value. Shape: (N,), bool."""
        return self._holding(0, len(self.texts))

    def _place(self, value: Value) -> tuple[int, int]:
        """Return where a text begins and ends among ``texts``; they are equal where it is not."""
        if not isinstance(value, str):
            return 0, 0
        return bisect_left(self.texts, value), bisect_right(self.texts, value)

    def _holding(self, first: int, last: int) -> np.ndarray:
        mask = np.zeros(self.num_rows, dtype=bool)
        mask[self.rows[self.starts[first] : self.starts[last]]] = True
        return mask


Column = NumberColumn | TextColumn

_COMPARE: dict[Bound, np.ufunc] = {
    "lt": np.less,
    "lte": np.less_equal,
    "gt": np.greater,
    "gte": np.greater_equal,
}


def make_column(values: Sequence[Attribute | None]) -> Column | None:
    """Return the column of an attribute; None where no item has a value.

    It is of numbers where every value is a number or, as in a CSV file, is written like one.
    """
    numbers = _as_numbers(values)
    if numbers is not None:
        return None if np.isnan(numbers).all() else NumberColumn(numbers)
    lists = [texts_of(value) for value in values]
    flat = pa.array([text for texts in lists for text in texts], pa.string())
    if not len(flat):
        return None
    encoded = flat.dictionary_encode()
    found = encoded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    ranks = np.empty(len(found), dtype=np.int64)
    ranks[order] = np.arange(len(found))
    codes = ranks[encoded.indices.to_numpy()]
    owners = np.repeat(np.arange(len(lists)), [len(texts) for texts in lists])
    starts = np.concatenate([[0], np.bincount(codes, minlength=len(found)).cumsum()])
    rows = owners[np.argsort(codes, kind="stable")]
    return TextColumn([found[place] for place in order], starts, rows, len(lists))


def texts_of(value: Attribute | None) -> tuple[str, ...]:
    """Return an attribute as the texts that filters look for."""
    if value is None:
        return ()
    if isinstance(value, tuple):
        return value
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, str):
        return (value,)
    # A whole number may be larger than any float.
    return (str(value) if isinstance(value, int) else f"{value:.15g}",)


def _as_numbers(values: Sequence[Attribute | None]) -> np.ndarray | None:
    """Return values as numbers; None where one is something else. Shape: (N,), float64."""
    numbers = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if isinstance(value, str):
            numeral = _NUMERAL.fullmatch(value)
            if numeral is None:
                return None
            numbers[row] = _finite(numeral[1].replace(",", ""))
        elif isinstance(value, bool | tuple):
            return None
        elif value is not None:
            numbers[row] = _finite(value)
    return numbers


def _finite(value: str | float) -> float:
    """Return a number; NaN, as where there is no value, for one that no filter can ask for."""
    try:
        number = float(value)
    except OverflowError:
        return math.nan
    return number if abs(number) <= MAX_NUMBER else math.nan
