"""What the change log says of items: those added while serving, and what changed of any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from genrec.data.item_rows import with_tuples
from genrec.schema import Item, SemanticId
from genrec.serving.store.changes import Change

ITEM_KIND = "item"
WORDS = ("title", "brand", "categories", "description", "text", "attributes")
"""Fields of ``Item`` that may be said and changed."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """All that holds of an item beside what the run's own catalogue says.

    Attributes:
        item_id: External ID.
        words: Those of ``WORDS`` that were said here, as ``Item`` has them.
        codes: Its semantic ID in each ID table, by the table's content hash; none in a table that
            it was made with.
        retired: Whether it is recommended no more.
        available_from: Recommended from this moment on, seconds.
        available_until: Recommended before this moment, seconds.
        first: Place in the order in which items came; 0: not yet in the log.
    """

    item_id: str
    words: Mapping[str, Any] = field(default_factory=dict)
    codes: Mapping[str, SemanticId] = field(default_factory=dict)
    retired: bool = False
    available_from: int | None = None
    available_until: int | None = None
    first: int = field(default=0, compare=False)

    @classmethod
    def of(cls, item: Item, codes: Mapping[str, SemanticId]) -> StoredItem:
        """Return a new item with all its words."""
        return cls(item.item_id, {name: getattr(item, name) for name in WORDS}, codes)

    @classmethod
    def from_change(cls, change: Change) -> StoredItem:
        """Read what the log holds."""
        body = dict(change.body)
        words = body.pop("words", {})
        if "categories" in words:
            words = {**words, "categories": tuple(words["categories"])}
        if "attributes" in words:
            words = {**words, "attributes": with_tuples(words["attributes"])}
        codes = {table: tuple(of_item) for table, of_item in body.pop("codes", {}).items()}
        return cls(change.subject, words, codes, **body, first=change.first)

    def to_change(self) -> Change:
        """Return what the log is to hold."""
        words = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self.words.items()
        }
        body = {
            "words": words,
            "codes": {table: list(codes) for table, codes in self.codes.items()},
            "retired": self.retired,
            "available_from": self.available_from,
            "available_until": self.available_until,
        }
        return Change(ITEM_KIND, self.item_id, body)

    def rewrite(self, item: Item) -> Item:
        """Return a catalogue entry with the words said here in place of its own."""
        return replace(item, **self.words)

    @property
    def is_limited(self) -> bool:
        """Whether there are moments at which it may not be recommended."""
        return self.retired or (self.available_from, self.available_until) != (None, None)

    def is_available(self, at: int) -> bool:
        """Tell whether it may be recommended at a moment, in seconds."""
        since, until = self.available_from, self.available_until
        return not self.retired and (since is None or since <= at) and (until is None or at < until)
