"""What a catalogue's items are like, and which of them a filter lets through.

Enters: items in parts (what was prepared, what was added since), and the order of the mask's rows.
Leaves: masks. A column is made when it is first asked for. Must not know semantic IDs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import chain
from math import isfinite

import numpy as np

from genrec.errors import DataError, WrongTypeError
from genrec.filters.columns import (
    Column,
    Kind,
    NumberColumn,
    TextColumn,
    make_column,
    texts_of,
)
from genrec.filters.language import (
    AllOf,
    Among,
    AnyOf,
    Compare,
    Exists,
    Filter,
    Not,
    Value,
    conditions_of,
)
from genrec.schema import BRAND, CATEGORIES, DESCRIPTION, ITEM_ID, TITLE, Attribute, Item

FIELDS = (ITEM_ID, TITLE, BRAND, CATEGORIES, DESCRIPTION)
CACHED_MASKS = 256
SHOWN_NAMES = 8
SHOWN_VALUES = 3
MAX_COMPARED = 20_000
"""Values that a misspelt one is compared with, which takes some 20 µs each."""


def value_of(item: Item, attribute: str) -> Attribute | None:
    """Return what an item has of an attribute: one of ``FIELDS``, or a column of its own."""
    if attribute in FIELDS:
        return getattr(item, attribute) or None
    return item.attributes.get(attribute)


class Part:
    """Items whose attributes do not change."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self._columns: dict[str, Column | None] = {}

    def column(self, attribute: str) -> Column | None:
        """Return an attribute's column; None where none of the items has it."""
        if attribute not in self._columns:
            values = [value_of(item, attribute) for item in self.items]
            self._columns[attribute] = make_column(values)
        return self._columns[attribute]

    @cached_property
    def names(self) -> set[str]:
        """The attributes that some item has."""
        named = {name for item in self.items for name in item.attributes}
        return {name for name in {*named, *FIELDS} if self.column(name) is not None}


class ItemAttributes:
    """The attributes of the items of one table."""

    def __init__(
        self,
        item_ids: list[str],
        parts: Sequence[Part],
        computed: Mapping[str, Callable[[], Sequence[Attribute | None]]] | None = None,
    ) -> None:
        """Take the items.

        Args:
            item_ids: The rows of every mask; an item that is in no part has no attribute.
            parts: Of an item that several have, the last one's counts.
            computed: Values of the rows by attribute, for attributes that are not in the items;
                one of the items' own hides one of the same name.
        """
        self._parts = parts
        self._computed = computed or {}
        self._starts = np.cumsum([0, *(len(part.items) for part in parts)]).tolist()
        known = [item.item_id for part in parts for item in part.items]
        self._in_order = known == item_ids
        self._places = np.arange(len(item_ids))
        if not self._in_order:
            place_of = dict(zip(known, range(len(known)), strict=True))
            places = [place_of.get(item_id, len(known)) for item_id in item_ids]
            self._places = np.array(places, dtype=np.int64)
        self._compiled = lru_cache(CACHED_MASKS)(self._compile)
        self._computed_values = lru_cache(None)(self._compute)
        self._computed_column = lru_cache(None)(
            lambda attribute: make_column(self._computed_values(attribute))
        )

    def __len__(self) -> int:
        return len(self._places)

    def mask(self, wanted: Filter) -> np.ndarray:
        """Tell which rows a filter lets through.

        Returns:
            The same array for equal filters; not to be written to. Shape: (N,), bool.

        Raises:
            DataError: No item has an attribute, or it is of another type than what it is
                compared with.
        """
        return self._compiled(wanted)

    def hint(self, wanted: Filter) -> str:
        """Name the values that a filter asks for and no item has, each with those most like it."""
        return "; ".join(
            f"no item has {condition.attribute} {_shown(value)}"
            + self._near(condition.attribute, value)
            for condition in conditions_of(wanted)
            if isinstance(condition, Among) and condition.how != "none"
            for value in condition.values
            if not self.mask(Among(condition.attribute, "any", (value,))).any()
        )

    def _near(self, attribute: str, value: Value) -> str:
        columns = [column for column, _ in self.columns(attribute)]
        texts = {
            text.casefold(): text
            for column in columns
            if isinstance(column, TextColumn) and len(column.texts) <= MAX_COMPARED
            for text in column.texts
        }
        near = get_close_matches(str(value).casefold(), texts, SHOWN_VALUES)
        return f", did you mean {' or '.join(repr(texts[each]) for each in near)}?" if near else ""

    def texts(self, attribute: str, row: int) -> tuple[str, ...]:
        """Return the values of a row's item, as texts.

        Raises:
            DataError: No item has such an attribute.
        """
        if all(part.column(attribute) is None for part in self._parts):
            return texts_of(self._computed_values(attribute)[row])
        place = int(self._places[row])
        if place == self._starts[-1]:
            return ()
        number = bisect_right(self._starts, place) - 1
        item = self._parts[number].items[place - self._starts[number]]
        return texts_of(value_of(item, attribute))

    @property
    def names(self) -> list[str]:
        """The attributes that some item has, and those that are computed, by name."""
        return sorted({*self._computed, *self.own_names})

    def columns(self, attribute: str) -> list[tuple[Column, np.ndarray]]:
        """Return an attribute's columns, each with which of its items the rows are of.

        Returns:
            Columns of (n,) values beside masks of shape (n,), bool.

        Raises:
            DataError: No item has such an attribute.
        """
        columns = [part.column(attribute) for part in self._parts]
        if all(column is None for column in columns):
            computed = self._computed_column(attribute)
            return [] if computed is None else [(computed, np.ones(len(self), dtype=bool))]
        present = np.zeros(self._starts[-1] + 1, dtype=bool)
        present[self._places] = True
        return [
            (column, present[first:last])
            for column, first, last in zip(columns, self._starts, self._starts[1:], strict=False)
            if column is not None
        ]

    @property
    def own_names(self) -> list[str]:
        """The attributes that some item has, by name."""
        return sorted(set[str]().union(*(part.names for part in self._parts)))

    def kind(self, attribute: str) -> Kind | None:
        """Return what an attribute of the items holds; None where none has it, or they differ."""
        kinds = {column.kind for column in self._own_columns(attribute)}
        return kinds.pop() if len(kinds) == 1 else None

    def distinct(self, attribute: str) -> list[str]:
        """Return the texts that an attribute of the items takes, each once."""
        columns = self._own_columns(attribute)
        texts = (column.texts for column in columns if isinstance(column, TextColumn))
        return list(dict.fromkeys(chain.from_iterable(texts)))

    def number(self, attribute: str, row: int) -> float | None:
        """Return the number that a row's item has; None where it has none."""
        place = int(self._places[row])
        if place == self._starts[-1]:
            return None
        number = bisect_right(self._starts, place) - 1
        column = self._parts[number].column(attribute)
        if not isinstance(column, NumberColumn):
            return None
        value = float(column.values[place - self._starts[number]])
        return value if isfinite(value) else None

    def _own_columns(self, attribute: str) -> list[Column]:
        columns = (part.column(attribute) for part in self._parts)
        return [column for column in columns if column is not None]

    def check(self, attribute: str) -> None:
        """Check that items have an attribute.

        Raises:
            DataError: None has; names like it are told.
        """
        if all(part.column(attribute) is None for part in self._parts):
            self._computed_values(attribute)

    def _compile(self, wanted: Filter) -> np.ndarray:
        mask = self._mask(wanted)
        mask.flags.writeable = False
        return mask

    def _mask(self, wanted: Filter) -> np.ndarray:
        match wanted:
            case Among():
                return self._ask(
                    wanted.attribute,
                    wanted.values,
                    lambda column: column.among(wanted.how, wanted.values),
                    wanted.how == "none",
                )
            case Compare():
                return self._ask(
                    wanted.attribute,
                    [wanted.bound],
                    lambda column: column.compare(wanted.how, wanted.bound),
                )
            case Exists(attribute, expected):
                mask = self._ask(attribute, [], lambda column: column.exists())
                return mask if expected else ~mask
            case Not(part):
                return ~self._mask(part)
            case AllOf(parts):
                mask = np.ones(len(self), dtype=bool)
                for part in parts:
                    mask &= self._mask(part)
                return mask
            case AnyOf(parts):
                mask = np.zeros(len(self), dtype=bool)
                for part in parts:
                    mask |= self._mask(part)
                return mask

    def _ask(
        self,
        attribute: str,
        operands: Sequence[Value],
        ask: Callable[[Column], np.ndarray],
        without: bool = False,
    ) -> np.ndarray:
        """Ask an attribute's columns; an item that has none is answered ``without``."""
        columns = [part.column(attribute) for part in self._parts]
        found = [column for column in columns if column is not None]
        if not found:
            computed = self._computed_column(attribute)
            if computed is None:
                return np.full(len(self), without)
            _check_types(attribute, operands, [computed])
            return ask(computed)
        _check_types(attribute, operands, found)
        answers = [
            np.full(len(part.items), without) if column is None else ask(column)
            for part, column in zip(self._parts, columns, strict=True)
        ]
        if self._in_order:
            return np.concatenate(answers)
        return np.concatenate([*answers, [without]])[self._places]

    def _compute(self, attribute: str) -> Sequence[Attribute | None]:
        if attribute not in self._computed:
            names = self.names
            near = get_close_matches(attribute, names, SHOWN_NAMES, cutoff=0.6)
            shown = [*near, *(name for name in names if name not in near)][:SHOWN_NAMES]
            asked = f"did you mean '{near[0]}'? attributes" if near else "attributes"
            raise DataError(
                f"no item has an attribute '{attribute}'; {asked} are such as {', '.join(shown)}"
            )
        return self._computed[attribute]()


def _shown(value: Value) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"


def _check_types(attribute: str, operands: Sequence[Value], columns: Sequence[Column]) -> None:
    """Check that some column is of the type of what it is compared with."""
    for operand in operands:
        kind = "texts" if isinstance(operand, str) else "numbers"
        if all(column.kind != kind for column in columns):
            given = f"{operand!r} is text" if kind == "texts" else f"{operand:g} is a number"
            raise WrongTypeError(
                f"the attribute '{attribute}' holds {columns[0].kind}, such as "
                f"{columns[0].example!r}, and {given}; compare it with {columns[0].kind}"
            )
