"""The attributes of a table's items: the items' own, and what the table says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from functools import cached_property, lru_cache

import numpy as np

from genrec.filters import Filter, ItemAttributes
from genrec.filters.attributes import CACHED_MASKS, Part
from genrec.schema import Attribute
from genrec.semantic_ids.kinship import Kinship, join_interests
from genrec.semantic_ids.properties import interest_names, is_new, popularity_groups
from genrec.semantic_ids.row_set import RowSet
from genrec.semantic_ids.table import SemanticIdTable

CACHED_KINDS = 16


class TableAttributes(ItemAttributes):
    """Adds what the table and its training say.

    ``interest``: its names, coarse to fine. ``new``: training never met the item. ``popularity``:
    "head", "middle" or "tail", by events of training.
    """

    def __init__(
        self,
        table: SemanticIdTable,
        parts: Sequence[Part],
        count_events: Callable[[], np.ndarray],
    ) -> None:
        """Take the items.

        Args:
            table: Its rows.
            parts: See ``ItemAttributes``.
            count_events: Returns how many events training had of each row. Shape: (N,).
        """
        computed: dict[str, Callable[[], Sequence[Attribute]]] = {
            "interest": lambda: interest_names(table),
            "new": lambda: is_new(table),
            "popularity": lambda: popularity_groups(count_events()),
        }
        super().__init__(table.item_ids, parts, computed)
        self.of = table
        self.kinds = lru_cache(CACHED_KINDS)(self._number)
        self._passing = lru_cache(CACHED_MASKS)(self._pass)

    @cached_property
    def kinship(self) -> Kinship:
        """Which interests are alike."""
        return join_interests(self.of)

    def value_at(self, attribute: str, row: int, level: int) -> str | None:
        """Return the value of a row's item that counts: of a list the one at a place.

        Args:
            attribute: Its name.
            row: Of the table.
            level: 1 the first, -1 the last.

        Returns:
            None where there is none.

        Raises:
            DataError: No item has such an attribute.
        """
        texts = self.texts(attribute, row)
        place = level - 1 if level > 0 else level
        return texts[place] if -len(texts) <= place < len(texts) else None

    def _number(self, attribute: str, level: int) -> np.ndarray:
        """Number the values that count (``value_at``); -1: none. Shape: (N,), int64."""
        numbers: dict[str, int] = {}
        values = (self.value_at(attribute, row, level) for row in range(len(self)))
        return np.array(
            [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values]
        )

    def passing(self, wanted: Filter, candidates: Set[str] | None = None) -> RowSet:
        """Return the items that a filter lets through, of some candidates or of all.

        Of all it is one object for equal filters, so that requests share what it costs.

        Raises:
            DataError: See ``ItemAttributes.mask``.
        """
        passing = self._passing(wanted)
        if candidates is None:
            return passing
        return RowSet(self.of, passing.mask & self.row_mask(candidates), passing.hint)

    def narrowed(self, candidates: Set[str] | None, allowed: np.ndarray) -> RowSet:
        """Return those of some candidates, or of all items, that a mask allows. Shape: (N,)."""
        if candidates is None:
            return RowSet(self.of, allowed)
        hint = candidates.hint if isinstance(candidates, RowSet) else None
        return RowSet(self.of, allowed & self.row_mask(candidates), hint)

    def _pass(self, wanted: Filter) -> RowSet:
        return RowSet(self.of, self.mask(wanted), lambda: self.hint(wanted))

    def row_mask(self, item_ids: Set[str]) -> np.ndarray:
        """Tell which rows are of some items. Shape: (N,), bool."""
        mask = np.zeros(len(self), dtype=bool)
        mask[self.of.candidate_rows(item_ids)] = True
        return mask
