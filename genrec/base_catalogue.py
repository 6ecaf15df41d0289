"""What every recommender knows of its items: entries, attributes, rules about them, likeness.

Items come, change and go while it answers; a subclass says what it takes to follow.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import ChainMap
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from functools import cached_property, lru_cache, partial
from typing import Any, get_args

import numpy as np

from genrec.arguments import check_collection, check_count, check_id, check_ids, check_type
from genrec.data import Dataset
from genrec.errors import ConfigError, DataError, TooFewItems
from genrec.filters import read_filter
from genrec.filters.attributes import Part
from genrec.frames import answers
from genrec.frames.answers import read_items
from genrec.rules import NamedRule, Plan
from genrec.schema import Item, Likeness, Recommendation, SemanticId
from genrec.semantic_ids.extend import add_items, remove_items, restore_items, rewrite_items
from genrec.semantic_ids.row_set import RowSet
from genrec.semantic_ids.similar import id_vectors, nearest, text_vectors
from genrec.semantic_ids.table import SemanticIdTable
from genrec.table_attributes import TableAttributes

CACHED_PLANS = 64

_MakePlan = Callable[[tuple[NamedRule, ...]], Plan]


class BaseCatalogue(ABC):
    """A catalogue that may grow, with the semantic IDs of its items."""

    table: SemanticIdTable
    """The semantic IDs of everything that can be recommended."""

    def __init__(self, data: Dataset) -> None:
        """Take the prepared data that hold the catalogue."""
        self._data = data
        self._new_items: dict[str, Item] = {}
        self._removed: frozenset[str] = frozenset()
        self._shelf: tuple[TableAttributes, _MakePlan] | None = None

    @property
    def items(self) -> list[Item]:
        """Every item that can be recommended, in the order of the table."""
        return [self._entries.get(item_id) or Item(item_id) for item_id in self.table.item_ids]

    @cached_property
    def _entries(self) -> Mapping[str, Item]:
        """What is known of items; read from disk when it is first asked for."""
        return ChainMap(self._new_items, self._data.items_by_id)

    def knows(self, item_id: str) -> bool:
        """Tell whether an item can be recommended."""
        return self.table.knows(item_id)

    def item(self, item_id: str) -> Item:
        """Return a catalogue entry.

        Raises:
            DataError: The item is not in the table.
        """
        self.table.index_of(check_id(item_id, "item_id"))
        return self._entries.get(item_id) or Item(item_id)

    def codes_of(self, item_id: str) -> SemanticId:
        """Return the semantic ID of an item.

        Raises:
            DataError: The item is not in the table.
        """
        return self.table.codes_of(check_id(item_id, "item_id"))

    def name_of(self, prefix: SemanticId) -> str:
        """Return words for the interest that a semantic-ID prefix is."""
        return self.table.name_of(prefix)

    @property
    def attributes(self) -> TableAttributes:
        """What filters ask of the items, in the order of the table."""
        return self._on_shelf()[0]

    def passing(self, filters: Mapping[str, Any], candidates: Set[str] | None = None) -> RowSet:
        """Return the items that filters let through, of some candidates or of all.

        Raises:
            DataError: A filter cannot be read, or no item has an attribute.
        """
        return self.attributes.passing(read_filter(filters), candidates)

    def plan(self, rules: Sequence[NamedRule]) -> Plan:
        """Bring rules to the catalogue as it is now; what was brought lately is kept.

        Raises:
            DataError: They contradict each other, or name what does not exist.
        """
        return self._on_shelf()[1](tuple(rules))

    def _on_shelf(self) -> tuple[TableAttributes, _MakePlan]:
        """Return the attributes of the present table's items, and what makes plans for them."""
        shelf = self._shelf
        if shelf is None or shelf[0].of is not self.table:
            added = Part(list(self._new_items.values()))
            parts = [self._prepared_part, added]
            attributes = TableAttributes(self.table, parts, self._count_events)
            shelf = attributes, lru_cache(CACHED_PLANS)(partial(Plan, attributes))
            self._shelf = shelf
        return shelf

    def _count_events(self) -> np.ndarray:
        """Return how many events training had of each row of the table. Shape: (N,), int64."""
        if not self._data.has_events:
            raise DataError(
                "how popular items are is not known: this folder holds nobody's events; ask a run "
                "that was trained here, or give the catalogue a column of its own"
            )
        counts, place_of = self._data.interactions("train").item_counts, self._data.item_index
        places = [place_of.get(item_id) for item_id in self.table.item_ids]
        return np.array([0 if place is None else counts[place] for place in places])

    @cached_property
    def _prepared_part(self) -> Part:
        return Part(self._data.items)

    def add_items(self, items: Sequence[Item]) -> list[SemanticId]:
        """Give new items the free IDs nearest to them; they can be recommended from now on.

        Returns:
            The ID of each.

        Raises:
            DataError: An item exists already, there is no room, or it is not an ``Item``.
        """
        added = [
            check_type(item, f"items[{n}]", Item, "a genrec.Item")
            for n, item in enumerate(check_collection(items, "items", "items"))
        ]
        self._grow(add_items(self.table, added), added)
        return [self.codes_of(item.item_id) for item in added]

    def place_items(self, items: Sequence[Item]) -> list[SemanticId]:
        """Return the IDs that ``add_items`` would give; nothing changes.

        Raises:
            DataError: As for ``add_items``.
        """
        table = add_items(self.table, items)
        return [tuple(codes) for codes in table.codes[len(self.table) :].tolist()]

    def rewrite_items(self, items: Sequence[Item]) -> None:
        """Give items other words from now on; they keep their semantic IDs.

        Raises:
            DataError: An item is not in the table.
        """
        table = rewrite_items(self.table, items)
        # First, since a table that is taken may be read with its items' words.
        self._new_items.update({item.item_id: item for item in items})
        self._take(table)

    def restore_items(self, items: Sequence[Item], codes: Sequence[SemanticId]) -> None:
        """Add new items at IDs that they were given before, such as before a restart.

        Raises:
            DataError: An item exists already, or an ID is taken or not of this table.
        """
        self._grow(restore_items(self.table, items, codes), items)

    def remove_items(self, item_ids: Collection[str]) -> None:
        """Retire items: they are not recommended any more, and their IDs become free.

        ``history`` leaves out their events from now on.

        Raises:
            DataError: An item is not in the table, or none would stay.
        """
        removed = check_ids(item_ids, "item_ids")
        self._take(remove_items(self.table, removed))
        self._removed |= set(removed)
        for item_id in removed:
            self._new_items.pop(item_id, None)

    @abstractmethod
    def _take(self, table: SemanticIdTable) -> None:
        """Answer from now on with the items of another table of the same codebook."""

    def _grow(self, table: SemanticIdTable, items: Sequence[Item]) -> None:
        # First, since a table that holds an item must find its words.
        self._new_items.update({item.item_id: item for item in items})
        self._take(table)
        self._removed -= self._new_items.keys()

    def similar_items(
        self,
        items: Any,
        k: int = 10,
        by: Likeness = "both",
        filters: Mapping[str, Any] | None = None,
    ) -> Any:
        """Find the items most like others.

        Args:
            items: An item ID, or a list, series or frame (column ``item_id``) of them.
            k: How many for each; fewer where there are no more.
            by: "text": their words; "behaviour": what is done with them, as the model learned it;
                "both": the vectors that semantic IDs stand for.
            filters: As for ``recommend``.

        Returns:
            A frame ``item_id, similar_item_id, score, rank``; the score is a cosine.

        Raises:
            ConfigError: A model that does not know what is done with items, or no texts.
            DataError: An item is not in the table, a column is missing, or a filter cannot be used.
        """
        item_ids, kind = read_items(items)
        count = check_count(k, "k")
        find = partial(self._nearest, k=count, vectors=self._item_vectors(by), filters=filters)
        return answers.similar_items(self.table, item_ids, find, kind)

    def similar_to(
        self,
        item_id: str,
        k: int = 10,
        by: Likeness = "both",
        filters: Mapping[str, Any] | None = None,
        exclude: Collection[str] = (),
    ) -> list[Recommendation]:
        """Return exactly ``k`` items, as ``similar_items`` finds them, without those excluded.

        Raises:
            TooFewItems: There are fewer.
        """
        vectors = self._item_vectors(by)
        rows, scores = self._nearest(item_id, check_count(k, "k"), vectors, filters, exclude)
        if len(rows) < k:
            hint = self.attributes.hint(read_filter(filters)) if filters else ""
            raise TooFewItems(
                f"asked for {k} items like '{item_id}', but there are {len(rows)}"
                f"{hint and f' ({hint})'}; ask for fewer or filter less"
            )
        pairs = zip(rows.tolist(), scores.tolist(), strict=True)
        return [
            self._recommendation(row, rank, score) for rank, (row, score) in enumerate(pairs, 1)
        ]

    def _recommendation(self, row: int, rank: int, score: float) -> Recommendation:
        item_id, entry = self.table.item_ids[row], self._entries.get(self.table.item_ids[row])
        codes = tuple(self.table.codes[row].tolist())
        return Recommendation(item_id, rank, score, entry.label if entry else item_id, codes)

    def _nearest(
        self,
        item_id: str,
        k: int,
        vectors: np.ndarray,
        filters: Mapping[str, Any] | None,
        exclude: Collection[str] = (),
    ) -> tuple[np.ndarray, np.ndarray]:
        allowed = None if filters is None else self.passing(filters).mask
        if exclude:
            allowed = np.ones(len(self.table), dtype=bool) if allowed is None else allowed.copy()
            allowed[self.table.rows_of(exclude)] = False
        return nearest(self.table, vectors, item_id, k, allowed)

    def _item_vectors(self, by: Likeness) -> np.ndarray:
        """Return vectors of length 1, zeros where nothing is known. Shape: (N, D)."""
        match by:
            case "both":
                return id_vectors(self.table)
            case "text":
                return text_vectors(self.table)
            case "behaviour":
                return self._behaviour_vectors()
            case _:
                raise DataError(f"by={by!r}: give {', '.join(map(repr, get_args(Likeness)))}")

    def _behaviour_vectors(self) -> np.ndarray:
        raise ConfigError("this model has learned no vectors of items; ask by 'both' or 'text'")
