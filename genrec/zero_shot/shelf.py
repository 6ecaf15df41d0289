"""What can be recommended and to whom: the part of a recommender that asks no model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from genrec.data import Dataset
from genrec.errors import ConfigError, DataError
from genrec.schema import Event, History, Item, SemanticId
from genrec.semantic_ids.table import SemanticIdTable

NEW_USER = "new user"


class Shelf:
    """Items, their IDs and their users, by the names ``genrec.Recommender`` has for them."""

    def __init__(self, data: Dataset, table: SemanticIdTable) -> None:
        self._data, self._table = data, table
        self._new_items: dict[str, Item] = {}

    @property
    def data(self) -> Dataset:
        """The prepared data."""
        return self._data

    @property
    def table(self) -> SemanticIdTable:
        """The semantic IDs of everything that can be recommended."""
        return self._table

    def knows(self, item_id: str) -> bool:
        """Tell whether an item can be recommended."""
        return self._table.knows(item_id)

    def item(self, item_id: str) -> Item:
        """Return a catalogue entry.

        Raises:
            DataError: The item is not in the table.
        """
        self._table.index_of(item_id)
        return self._find(item_id) or Item(item_id)

    def codes_of(self, item_id: str) -> SemanticId:
        """Return the semantic ID of an item.

        Raises:
            DataError: The item is not in the table.
        """
        return self._table.codes_of(item_id)

    def name_of(self, prefix: SemanticId) -> str:
        """Return words for the interest that a semantic-ID prefix is."""
        return self._table.name_of(prefix)

    def history(self, user_id: str | None, events: Iterable[Event] | None) -> History:
        """Return a known user's whole history, or the events given."""
        if (user_id is None) == (events is None):
            raise DataError("give either a known user_id or the events of a history")
        if user_id is not None:
            return self._data.history(user_id)
        assert events is not None
        return History(NEW_USER, tuple(events))

    @property
    def adapters(self) -> list[str]:
        """None: nothing was tuned."""
        return []

    @property
    def adapter(self) -> str | None:
        """None: nothing was tuned."""
        return None

    def load_adapter(self, name: str, path: Path | str) -> None:
        """Refuse: a stock model has no adapters of ours."""
        raise ConfigError(f"adapter '{name}' at {path}: a zero-shot model takes none; serve a run")

    def use_adapter(self, name: str | None) -> None:
        """Refuse any but none."""
        if name is not None:
            raise ConfigError(f"no adapter '{name}': a zero-shot model takes none; serve a run")

    def drop_adapter(self, name: str) -> None:
        """Refuse: there is none."""
        raise ConfigError(f"no adapter '{name}': a zero-shot model takes none; serve a run")

    def _find(self, item_id: str) -> Item | None:
        if item_id in self._new_items:
            return self._new_items[item_id]
        place = self._data.item_index.get(item_id)
        return None if place is None else self._data.items[place]
