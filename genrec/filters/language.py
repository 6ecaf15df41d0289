"""What a filter says: a JSON object to a tree of conditions.

    {"categories": {"any": ["Tea"]}, "price": {"lte": 20}, "not": {"brand": "Brightmoor"}}

All entries of an object hold. The keys "not", "all" and "any" hold filters; every other key is an
attribute, and its value a condition:

    "Tea"                     it is that (of several values: one of them is)
    ["Tea", "Coffee"]         the same as {"any": [...]}
    {"any": [...]}            at least one of these values
    {"all": [...]}            all of these values
    {"none": [...]}           none of these values; an item without any passes
    {"lt", "lte", "gt", "gte": x}   below or above; numbers, or texts in the order of code points
    {"exists": true}          whether the item has the attribute at all

Must not know any item: whether an attribute exists is ``attributes``' business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from genrec.arguments import check_collection, check_flag, check_text, wrong_type
from genrec.errors import DataError

MAX_DEPTH = 20
MAX_NUMBER = 1e300
MAX_VALUES = 10_000
"""Values and conditions of one filter."""

Value = str | float
"""Of true and false the words."""
Bound = Literal["lt", "lte", "gt", "gte"]
Membership = Literal["any", "all", "none"]

BOUNDS: tuple[Bound, ...] = ("lt", "lte", "gt", "gte")
MEMBERSHIPS: tuple[Membership, ...] = ("any", "all", "none")
CONDITIONS = (*MEMBERSHIPS, *BOUNDS, "exists")
JOINS = ("not", "all", "any")


@dataclass(frozen=True, slots=True)
class Among:
    """Whether an attribute's values are among some."""

    attribute: str
    how: Membership
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """Whether an attribute lies below or above a bound."""

    attribute: str
    how: Bound
    bound: str | float


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether an item has an attribute."""

    attribute: str
    expected: bool


@dataclass(frozen=True, slots=True)
class Not:
    """What a filter does not let through."""

    part: Filter


@dataclass(frozen=True, slots=True)
class AllOf:
    """What all parts let through; everything where there are none."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """What at least one part lets through."""

    parts: tuple[Filter, ...]


Filter = Among | Compare | Exists | Not | AllOf | AnyOf
"""Hashable, so that a compiled filter can be kept."""


def conditions_of(wanted: Filter) -> Iterator[Among | Compare | Exists]:
    """Yield the conditions on attributes that a filter is made of, in order."""
    match wanted:
        case Not(part):
            yield from conditions_of(part)
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from conditions_of(part)
        case _:
            yield wanted


def read_filter(written: Any, name: str = "filters") -> Filter:
    """Return what a filter says.

    Args:
        written: As in the module's docstring.
        name: Of the argument, for messages.

    Raises:
        DataError: It is no filter; the message says where, and what is expected there.
    """
    return _Reader().filter(written, name, 1)


class _Reader:
    """Reads one filter, and counts what it holds."""

    def __init__(self) -> None:
        self.size = 0

    def filter(self, written: Any, name: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise DataError(f"{name} is nested more than {MAX_DEPTH} deep; write it flatter")
        parts: list[Filter] = []
        if not isinstance(written, Mapping):
            raise wrong_type(written, name, "an object of conditions")
        for key, value in written.items():
            where = f"{name}.{check_text(key, name)}"
            if key == "not":
                parts.append(Not(self.filter(value, where, depth + 1)))
            elif key in JOINS:
                read = tuple(
                    self.filter(each, f"{where}.{place}", depth + 1)
                    for place, each in enumerate(check_collection(value, where, "filters"))
                )
                parts.append(AllOf(read) if key == "all" else AnyOf(read))
            else:
                parts += self._conditions(key, value, where)
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _conditions(self, attribute: str, written: Any, where: str) -> list[Filter]:
        if isinstance(written, list | tuple | set | frozenset):
            return [Among(attribute, "any", self._values(written, where))]
        if not isinstance(written, Mapping):
            return [Among(attribute, "any", (self._value(written, where),))]
        if not written:
            raise DataError(f"{where} is empty; give one of {', '.join(CONDITIONS)}")
        return [self._condition(attribute, how, wanted, where) for how, wanted in written.items()]

    def _condition(self, attribute: str, how: Any, wanted: Any, where: str) -> Filter:
        at = f"{where}.{how}"
        if how in MEMBERSHIPS:
            if not isinstance(wanted, list | tuple | set | frozenset):
                raise wrong_type(wanted, at, "a list of values")
            return Among(attribute, how, self._values(wanted, at))
        if how in BOUNDS:
            if isinstance(wanted, bool):
                raise wrong_type(wanted, at, "a number or text")
            return Compare(attribute, how, self._value(wanted, at))
        if how == "exists":
            return Exists(attribute, check_flag(wanted, at))
        raise DataError(f"{where}: no condition {how!r}; conditions are {', '.join(CONDITIONS)}")

    def _values(self, written: Any, where: str) -> tuple[Value, ...]:
        return tuple(self._value(value, f"{where}.{n}") for n, value in enumerate(written))

    def _value(self, value: Any, where: str) -> Value:
        self.size += 1
        if self.size > MAX_VALUES:
            raise DataError(f"{where}: a filter holds at most {MAX_VALUES:,} values")
        if isinstance(value, str):
            return check_text(value, where)
        if isinstance(value, bool):
            return "true" if value else "false"
        if not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise wrong_type(value, where, "text, a finite number, true or false")
        return float(value)
