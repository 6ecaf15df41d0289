"""Events to text: the one renderer that training and serving share.

Enters: events and the semantic-ID table. Leaves: text segments. Knows nothing of tokens.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from genrec.errors import PromptError
from genrec.schema import Event, Item, Request, Search
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.config import ItemWordsConfig
from genrec.stream.sid_text import sid_text
from genrec.stream.templates import ITEM_MARKER, Structure, quote, render

MINUTE = 60
DAY = 24 * 60 * MINUTE

START = "start"

# Coarse phrases, so that each is seen often enough to be learned and, in a from-scratch base, is a
# single token.
_PHRASES: tuple[tuple[int, str], ...] = (
    (0, "right after"),
    (10 * MINUTE, "same day"),
    (DAY, "1 day later"),
    (2 * DAY, "2 days later"),
    (3 * DAY, "3 days later"),
    (4 * DAY, "4 days later"),
    (7 * DAY, "1 week later"),
    (14 * DAY, "2 weeks later"),
    (21 * DAY, "3 weeks later"),
    (30 * DAY, "1 month later"),
    (60 * DAY, "2 months later"),
    (90 * DAY, "3 months later"),
    (180 * DAY, "6 months later"),
    (365 * DAY, "1 year later"),
    (730 * DAY, "2 years later"),
)
_FLOORS = [floor for floor, _ in _PHRASES]

PHRASES: tuple[str, ...] = (START, *(phrase for _, phrase in _PHRASES))
"""Every time since the last event, in words, that ``bucket`` can return."""


def bucket(previous: int | None, now: int) -> str:
    """Return the time from ``previous`` to ``now`` in words, rounded down to a phrase.

    Args:
        previous: Seconds; None for the first event.
        now: Seconds; a time before ``previous`` counts as the same moment.

    Examples:
        >>> bucket(0, 26 * 3600)
        '1 day later'
    """
    if previous is None:
        return START
    return _PHRASES[bisect_right(_FLOORS, max(now - previous, 0)) - 1][1]


@dataclass(frozen=True)
class Renderer:
    """Writes the parts of a stream.

    Attributes:
        table: Semantic IDs of the items.
        review_chars: Length cap of a review's text; 0 leaves reviews out.
        title_chars: Length cap of a title or of an event type.
        search_chars: Length cap of a search.
        about_chars: Length cap of what users say of themselves.
        item_words: What of an item's text stands behind its ID.
        find_item: Looks up an item by its ID, for its words.
    """

    table: SemanticIdTable
    review_chars: int = 200
    title_chars: int = 80
    search_chars: int = 120
    about_chars: int = 400
    item_words: ItemWordsConfig = ItemWordsConfig()
    find_item: Callable[[str], Item | None] = field(default=lambda item_id: None, repr=False)

    def header(self) -> str:
        """Return what opens every stream."""
        return render("stream/header")

    def about(self, about: str, max_chars: int) -> str:
        """Return what stands behind the header of a user who describes themselves; may be empty."""
        text = quote(about, max_chars)
        return render("stream/about", about=text) if text else ""

    def event(
        self, event: Event, previous_timestamp: int | None, item: Structure | None = None
    ) -> str:
        """Return the segment of one event.

        Args:
            event: The event.
            previous_timestamp: Time of the event before it, seconds; None for the first.
            item: What to write for its item; None: the item's semantic ID.

        Raises:
            DataError: The event's item is not in the table.
        """
        return self.segment(
            bucket(previous_timestamp, event.timestamp),
            sid_text(self.table.codes_of(event.item_id)) if item is None else item,
            event.event_type,
            event.rating,
            event.opinion,
        )

    def segment(
        self,
        gap: str,
        item: Structure,
        event_type: str | None,
        rating: float | None,
        opinion: str | None = None,
    ) -> str:
        """Return the segment of an event, by all that it is written from.

        Args:
            gap: Time since the event before, in words (``bucket``).
            item: What to write for its item.
            event_type: Kind of act.
            rating: Of the item.
            opinion: Review, with its headline.
        """
        return render(
            "stream/event",
            gap=gap,
            event_type=quote(event_type, self.title_chars) if event_type else None,
            item=item,
            rating=None if rating is None else f"{rating:g}",
            review=quote(opinion, self.review_chars) if opinion and self.review_chars else None,
        )

    def search(self, search: Search, previous_timestamp: int | None, max_chars: int) -> str:
        """Return the line of one search; empty where nothing of its text can be shown.

        Args:
            search: What was searched for.
            previous_timestamp: Time of the event or search before it, seconds; None: none was.
            max_chars: Length cap of its text.
        """
        text = quote(search.text, max_chars)
        gap = bucket(previous_timestamp, search.timestamp)
        return render("stream/search", gap=gap, text=text) if text else ""

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

    def title(self, item_id: str) -> str:
        """Return an item's title as it stands in the place of its ID; empty where it has none."""
        item = self.find_item(item_id)
        title = quote(item.title, self.title_chars) if item and item.title else ""
        return render("stream/item_title", title=title) if title else ""

    def ask_item(self, request: Request) -> str:
        """Return the line of the event that a request asks for, up to where its item is written.

        Raises:
            PromptError: The template writes something between the marker and the item.
        """
        last = request.history.events[-1] if request.history.events else None
        latest = request.searches[-1] if request.searches else last
        previous = latest.timestamp if latest else None
        moment = request.at if request.at is not None else previous
        event_type = request.event_type or (last.event_type if last else None)
        ask = self.event(Event("", "", moment or 0, event_type), previous, item=Structure())
        if not ask.endswith(ITEM_MARKER):
            raise PromptError(
                f"stream/event.jinja must write nothing between {ITEM_MARKER} and the item"
            )
        return ask

    def item_to_title(self, item_id: str, title: str) -> str:
        """Return the task "say what this ID is", with its answer."""
        item = sid_text(self.table.codes_of(item_id))
        return render("tasks/item_to_title", item=item, title=quote(title, self.title_chars))

    def title_to_item(self, item_id: str, title: str) -> str:
        """Return the task "find the ID of this title", with its answer."""
        return self.text_to_item(item_id, title, self.title_chars)

    def text_to_item(self, item_id: str, text: str, max_chars: int) -> str:
        """Return the same task for another text that tells of an item."""
        item = sid_text(self.table.codes_of(item_id))
        return render("tasks/title_to_item", item=item, title=quote(text, max_chars))
