"""The items that can be recommended, in step with the change log; found by a text.

Nothing changes here but by what the log holds: a change is added to the log first, and done when
it is there, by the gateway that added it and by all others alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genrec.base_recommender import BaseRecommender
from genrec.schema import Item, Request, SemanticId
from genrec.serving.errors import NotFound, ServiceError, quote
from genrec.serving.store import ITEM_KIND, WORDS, Change, ChangeLog, StoredItem


class Catalogue:
    """Adds, changes and finds items; run what changes them through ``Batcher.exclusive``."""

    def __init__(self, recommender: BaseRecommender, log: ChangeLog, table_hash: str) -> None:
        """Take the recommender as it was loaded, before anything of the log is done to it."""
        self._recommender = recommender
        self._log = log
        self._table_hash = table_hash
        self._items = recommender.items
        self._texts = pa.array(map(_searchable, self._items), pa.large_string())
        self._stored: dict[str, StoredItem] = {}
        self._homeless: dict[str, StoredItem] = {}
        self._limited: dict[str, StoredItem] = {}
        self._gone: tuple[Mapping[str, StoredItem], int, frozenset[str]] = ({}, 0, frozenset())
        self._position = 0

    @property
    def position(self) -> int:
        """Number of the last change that is done here."""
        return self._position

    def __len__(self) -> int:
        """How many items can be recommended, were they all available."""
        retired = sum(one.retired for one in self._limited.values())
        return len(self._recommender.table) - retired

    def catch_up(self) -> None:
        """Do what the log holds and was not done here yet.

        Items that the log knows by IDs of other tables only (the run was exchanged) get one of
        this table.

        Raises:
            DataError: There is no room in the table.
        """
        self._append(lambda: ())

    def add(self, items: Sequence[Item]) -> list[tuple[Item, SemanticId, bool]]:
        """Give new items an ID; an item that is there already keeps its own, and its words.

        Returns:
            Each item with its ID, and whether it is new.

        Raises:
            DataError: There is no room in the table.
        """
        unique = {item.item_id: item for item in items}
        new: list[Item] = []

        def place() -> list[StoredItem]:
            new[:] = [item for item in unique.values() if not self._recommender.knows(item.item_id)]
            return self._place([StoredItem.of(item, {}) for item in new])

        self._append(place)
        fresh = {item.item_id for item in new}
        return [
            (self._recommender.item(name), self._recommender.codes_of(name), name in fresh)
            for name in unique
        ]

    def change(self, item_id: str, given: Mapping[str, Any]) -> None:
        """Change an item; it keeps its ID.

        Args:
            item_id: External ID.
            given: Fields of ``Item``, or of ``StoredItem`` from ``retired`` on.

        Raises:
            NotFound: There is no such item.
            ServiceError: It would be available until before it is available from.
        """

        def changed() -> list[StoredItem]:
            before = self.stored(item_id)
            words = {name: value for name, value in given.items() if name in WORDS}
            rules = {name: value for name, value in given.items() if name not in WORDS}
            after = replace(before, words={**before.words, **words}, **rules)
            since, until = after.available_from, after.available_until
            if since is not None and until is not None and since >= until:
                raise ServiceError(
                    "empty_window",
                    f"available_from {since} does not lie before available_until {until}; give "
                    "both in order, or null for no limit",
                )
            return [] if after == before else [after]

        self._append(changed)

    def stored(self, item_id: str) -> StoredItem:
        """Return what the log says of an item.

        Raises:
            NotFound: There is no such item.
        """
        if not self._recommender.knows(item_id):
            raise NotFound(
                "unknown_item",
                f"no item {quote(item_id)}; IDs are case-sensitive, and PUT /v1/items adds new "
                "ones",
            )
        return self._stored.get(item_id) or StoredItem(item_id)

    def is_retired(self, item_id: str) -> bool:
        """Tell whether an item was retired, and not brought back."""
        stored = self._stored.get(item_id)
        return stored is not None and stored.retired

    def restrict(self, request: Request, at: int) -> Request:
        """Return a request that forbids what is not available at a moment, in seconds."""
        gone = self.gone(at)
        return replace(request, exclude=request.exclude | gone) if gone else request

    def gone(self, at: int) -> frozenset[str]:
        """Return the items that are not available at a moment, in seconds."""
        # Asked for every request, by several threads, and the same for all of a second.
        limited = self._limited
        known, moment, gone = self._gone
        if known is not limited or moment != at:
            gone = frozenset(name for name, one in limited.items() if not one.is_available(at))
            self._gone = (limited, at, gone)
        return gone

    def search(self, query: str, limit: int, retired: bool = False) -> list[Item]:
        """Return the first items whose ID, title, brand or categories hold every word.

        Items that were added or changed while serving come first; retired ones are left out,
        unless they are asked for.
        """
        stored = self._stored
        words = query.casefold().split()
        present = [
            self._recommender.item(name)
            for name, one in stored.items()
            if retired or not one.retired
        ]
        found = [item for item in present if all(word in _searchable(item) for word in words)]
        mask = pa.repeat(True, len(self._items))
        for word in words:
            mask = pc.and_(mask, pc.match_substring(self._texts, word))
        places = pc.indices_nonzero(mask).slice(0, limit + len(stored)).to_pylist()
        own = (self._items[place] for place in places)
        return [*found, *(item for item in own if item.item_id not in stored)][:limit]

    def _append(self, make: Callable[[], Iterable[StoredItem]]) -> None:
        """Catch up, and add to the log what follows from it; again where another was faster."""
        while True:
            self._do(self._log.read(self._position))
            homeless = sorted(self._homeless.values(), key=lambda stored: stored.first)
            wanted = list(self._place(homeless) if homeless else make())
            if not wanted:
                return
            added = self._log.append([stored.to_change() for stored in wanted], self._position)
            if added is not None:
                self._do(added)
                if not homeless:
                    return

    def _do(self, changes: Sequence[Change]) -> None:
        """Do what the log holds; where the engine is away nothing is done, and later all."""
        if not changes:
            return
        items = [StoredItem.from_change(one) for one in changes if one.kind == ITEM_KIND]
        # In this order every gateway has the same rows, one that has just started too.
        items.sort(key=lambda stored: stored.first)
        knows = self._recommender.knows
        known = [stored for stored in items if knows(stored.item_id)]
        absent = [stored for stored in items if not knows(stored.item_id)]
        new = [stored for stored in absent if self._table_hash in stored.codes]
        # Other threads read these two: they are exchanged whole. Availability comes first: whoever
        # reads an item's new words finds it recommended, or not, as was said with them.
        changed = self._stored | {stored.item_id: stored for stored in (*known, *new)}
        self._limited = {name: one for name, one in changed.items() if one.is_limited}
        if new:
            self._recommender.restore_items(
                [stored.rewrite(Item(stored.item_id)) for stored in new],
                [stored.codes[self._table_hash] for stored in new],
            )
        rewritten = [stored for stored in known if stored.words != self._words_of(stored.item_id)]
        if rewritten:
            find = self._recommender.item
            self._recommender.rewrite_items([one.rewrite(find(one.item_id)) for one in rewritten])
        # What has no ID at all was changed in another run's catalogue, and is not in ours.
        homeless = [one for one in absent if one.codes and self._table_hash not in one.codes]
        self._homeless |= {stored.item_id: stored for stored in homeless}
        for stored in (*known, *new):
            self._homeless.pop(stored.item_id, None)
        self._stored = changed
        self._position = changes[-1].number

    def _words_of(self, item_id: str) -> Mapping[str, Any]:
        stored = self._stored.get(item_id)
        return {} if stored is None else stored.words

    def _place(self, items: Sequence[StoredItem]) -> list[StoredItem]:
        """Give items free IDs of this table."""
        codes = self._recommender.place_items(
            [stored.rewrite(Item(stored.item_id)) for stored in items]
        )
        return [
            replace(stored, codes={**stored.codes, self._table_hash: given})
            for stored, given in zip(items, codes, strict=True)
        ]


def _searchable(item: Item) -> str:
    parts = (item.item_id, item.title, item.brand, *item.categories)
    return " ".join(part for part in parts if part).casefold()
