"""Events to text: the one renderer that training and serving share.

Enters: events and the semantic-ID table. Leaves: text segments. Knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from genrec.schema import Event, Item, SemanticId
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream import time_deltas
from genrec.stream.config import ItemWordsConfig
from genrec.stream.templates import Structure, quote, render

LEVEL_LETTERS = "abcdefgh"


def sid_token(level: int, code: int) -> str:
    """Return the token text of a code at a level.

    Examples:
        >>> sid_token(0, 17)
        '<a_17>'
    """
    return f"<{LEVEL_LETTERS[level]}_{code}>"


@lru_cache(maxsize=100_000)
def sid_text(codes: SemanticId) -> Structure:
    """Return the text of a semantic ID, one token per level."""
    return Structure("".join(sid_token(level, code) for level, code in enumerate(codes)))


@dataclass(frozen=True)
class Renderer:
    """Writes the parts of a stream.

    Attributes:
        table: Semantic IDs of the items.
        review_chars: Length cap of a review's text.
        title_chars: Length cap of a title or of an event type.
        item_words: What of an item's text stands behind its ID.
        find_item: Looks up an item by its ID, for its words.
    """

    table: SemanticIdTable
    review_chars: int = 200
    title_chars: int = 80
    item_words: ItemWordsConfig = ItemWordsConfig()
    find_item: Callable[[str], Item | None] = field(default=lambda item_id: None, repr=False)

    def header(self) -> str:
        """Return what opens every stream."""
        return render("stream/header")

    def event(self, event: Event, previous_timestamp: int | None) -> str:
        """Return the segment of one event.

        Raises:
            DataError: The event's item is not in the table.
        """
        item = sid_text(self.table.codes_of(event.item_id))
        return self._segment(event, previous_timestamp, item)

    def words(self, item_id: str, max_chars: int) -> str:
        """Return what stands behind an item's ID in a history; empty where nothing does."""
        if self.item_words.show == "nothing":
            return ""
        item = self.find_item(item_id) or Item(item_id)
        parts = [item.title or item.brand]
        if self.item_words.show == "title_and_categories":
            parts += reversed(item.categories)
        words = quote(" · ".join(part for part in parts if part), max_chars)
        return render("stream/item_words", words=words) if words else ""

    def ask_item(
        self, at: int | None, event_type: str | None, previous_timestamp: int | None
    ) -> str:
        """Return the segment of an event yet to come, up to where its item is written.

        Args:
            at: Moment of asking, seconds; None: the moment of the last event.
            event_type: Kind of act to predict.
            previous_timestamp: Time of the last event; None for an empty history.
        """
        now = at if at is not None else previous_timestamp
        event = Event(user_id="", item_id="", timestamp=now or 0, event_type=event_type)
        return self._segment(event, previous_timestamp, Structure())

    def item_to_title(self, item_id: str, title: str) -> str:
        """Return the task "say what this ID is", with its answer."""
        item = sid_text(self.table.codes_of(item_id))
        return render("tasks/item_to_title", item=item, title=quote(title, self.title_chars))

    def title_to_item(self, item_id: str, title: str) -> str:
        """Return the task "find the ID of this title", with its answer."""
        item = sid_text(self.table.codes_of(item_id))
        return render("tasks/title_to_item", item=item, title=quote(title, self.title_chars))

    def _segment(self, event: Event, previous_timestamp: int | None, item: Structure) -> str:
        event_type = event.event_type
        return render(
            "stream/event",
            gap=time_deltas.bucket(previous_timestamp, event.timestamp),
            event_type=quote(event_type, self.title_chars) if event_type else None,
            item=item,
            rating=None if event.rating is None else f"{event.rating:g}",
            review=quote(event.opinion, self.review_chars) if event.opinion else None,
        )
