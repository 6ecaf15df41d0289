"""Items through the gateway: found, added, changed and retired."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyio.to_thread import run_sync

from genrec.schema import Item, SemanticId
from genrec.serving.batching import Batcher
from genrec.serving.catalogue import Catalogue
from genrec.serving.errors import check_count
from genrec.serving.store import StoredItem


class Items:
    """The catalogue of the model that serves; it changes while nothing is at the engine."""

    def __init__(
        self, batcher: Batcher, catalogue: Callable[[], Catalogue], max_items: int
    ) -> None:
        """Take who runs what must run alone, the catalogue, and most new items of a call."""
        self._batcher = batcher
        self._catalogue = catalogue
        self._max_items = max_items

    @property
    def position(self) -> int:
        """Number of the last change of the log that is done here."""
        return self._catalogue().position

    async def catch_up(self) -> None:
        """Do what other gateways did to items; see ``Catalogue.catch_up``."""
        # It must not wait behind a queue of questions about the catalogue of before.
        await self._batcher.exclusive(self._catalogue().catch_up, first=True)

    async def find(self, query: str, limit: int, retired: bool = False) -> list[Item]:
        """Return the first items that hold every word; see ``Catalogue.search``."""
        return await run_sync(self._catalogue().search, query, limit, retired)

    async def add(self, items: Sequence[Item]) -> list[tuple[Item, SemanticId, bool]]:
        """Add items; return each with its semantic ID and whether it is new.

        Raises:
            ServiceError: There are too many.
            DataError: There is no room in the table.
        """
        check_count(len(items), "items", self._max_items)
        return await self._batcher.exclusive(lambda: self._catalogue().add(items))

    async def change(self, item_id: str, given: Mapping[str, Any]) -> None:
        """Change or retire an item, from the very next answer on; see ``Catalogue.change``.

        Raises:
            ServiceError: No such item, or a window that is never open.
        """
        await self._batcher.exclusive(lambda: self._catalogue().change(item_id, given))

    def stored(self, item_id: str) -> StoredItem:
        """Return what was said of an item while serving.

        Raises:
            NotFound: There is no such item.
        """
        return self._catalogue().stored(item_id)
