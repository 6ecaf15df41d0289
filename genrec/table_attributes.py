"""The attributes of a table's items: the items' own, and what the table says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from genrec.filters import Filter, ItemAttributes
from genrec.filters.attributes import CACHED_MASKS, Part
from genrec.schema import Attribute
from genrec.semantic_ids.properties import interest_names, is_new
from genrec.semantic_ids.row_set import RowSet
from genrec.semantic_ids.table import SemanticIdTable


class TableAttributes(ItemAttributes):
    """Adds ``interest`` (its names, coarse to fine) and ``new`` (training never met it)."""

    def __init__(self, table: SemanticIdTable, parts: Sequence[Part]) -> None:
        """Take the items; see ``ItemAttributes``."""
        computed: dict[str, Callable[[], Sequence[Attribute]]] = {
            "interest": lambda: interest_names(table),
            "new": lambda: is_new(table),
        }
        super().__init__(table.item_ids, parts, computed)
        self.of = table
        self._passing = lru_cache(CACHED_MASKS)(lambda wanted: RowSet(table, self.mask(wanted)))

    def passing(self, wanted: Filter) -> RowSet:
        """Return the items that a filter lets through; one object for equal filters.

        Raises:
            DataError: See ``ItemAttributes.mask``.
        """
        return self._passing(wanted)
