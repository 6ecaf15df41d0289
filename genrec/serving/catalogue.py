"""The items that can be recommended: the run's, and those added since; found by a text."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from genrec.base_recommender import BaseRecommender
from genrec.schema import Item, SemanticId
from genrec.serving.store import ItemStore, StoredItem


class Catalogue:
    """Adds items and finds them; run ``add`` and ``restore`` through ``Batcher.exclusive``."""

    def __init__(self, recommender: BaseRecommender, store: ItemStore, table_hash: str) -> None:
        self._recommender = recommender
        self._store = store
        self._table_hash = table_hash
        known = recommender.items
        self._items = known
        self._texts = pa.array(map(_searchable, known), pa.large_string())
        self._added: dict[str, Item] = {}
        self._unsaved: dict[str, Item] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items) + len(self._added)

    def add(self, items: Sequence[Item]) -> list[tuple[Item, SemanticId, bool]]:
        """Give new items an ID and keep them; an item that is there already keeps its own.

        Returns:
            Each item with its ID, and whether it is new.

        Raises:
            DataError: There is no room in the table.
        """
        unique = {item.item_id: item for item in items}
        fresh = [item for item in unique.values() if not self._recommender.knows(item.item_id)]
        if fresh:
            self._recommender.add_items(fresh)
        with self._lock:
            self._unsaved.update((item.item_id, item) for item in fresh)
        # What an earlier call could not save, when the store did not answer, counts as new still.
        new = {item_id for item_id in unique if item_id in self._unsaved}
        self._save([self._unsaved[item_id] for item_id in new])
        return [
            (
                self._recommender.item(item_id),
                self._recommender.codes_of(item_id),
                item_id in new,
            )
            for item_id in unique
        ]

    def restore(self) -> int:
        """Bring back what the store holds, at the same IDs; return how many items came.

        An ID of another table (the run was exchanged) says nothing here: such an item gets a new
        one.
        """
        missing = [
            stored
            for stored in self._store.all()
            if not self._recommender.knows(stored.item.item_id)
        ]
        placed = [stored for stored in missing if stored.index_hash == self._table_hash]
        if placed:
            self._recommender.restore_items(
                [stored.item for stored in placed], [stored.codes for stored in placed]
            )
        moved = [stored.item for stored in missing if stored.index_hash != self._table_hash]
        if moved:
            self._recommender.add_items(moved)
        self._save(moved)
        with self._lock:
            self._added.update((stored.item.item_id, stored.item) for stored in missing)
        return len(missing)

    def search(self, query: str, limit: int) -> list[Item]:
        """Return the first items whose ID, title, brand or categories hold every word."""
        with self._lock:
            added = list(self._added.values())
        words = query.casefold().split()
        fits = [item for item in added if all(word in _searchable(item) for word in words)]
        if not words:
            return [*fits, *self._items[: max(limit - len(fits), 0)]][:limit]
        mask = pc.match_substring(self._texts, words[0])
        for word in words[1:]:
            mask = pc.and_(mask, pc.match_substring(self._texts, word))
        places = pc.indices_nonzero(mask).slice(0, limit).to_pylist()
        return [*fits, *(self._items[place] for place in places)][:limit]

    def _save(self, items: Sequence[Item]) -> None:
        self._store.save(
            [
                StoredItem(item, self._recommender.codes_of(item.item_id), self._table_hash)
                for item in items
            ]
        )
        with self._lock:
            for item in items:
                self._unsaved.pop(item.item_id, None)
                self._added[item.item_id] = item


def _searchable(item: Item) -> str:
    parts = (item.item_id, item.title, item.brand, *item.categories)
    return " ".join(part for part in parts if part).casefold()
