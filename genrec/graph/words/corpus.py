"""Titles and reviews of a data set, each with the item it speaks of.

Enters: a catalogue and histories. Leaves: texts, each a title or a review.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from genrec.schema import Event, History, Item

MAX_REVIEWS = 200_000
"""Reviews read; more tell little more, and all of a large log would not fit into memory."""


@dataclass(frozen=True, slots=True)
class Text:
    """A title or a review.

    Attributes:
        item_id: What it speaks of.
        user_id: Who wrote it; None for a title.
        words: As written, never empty.
    """

    item_id: str
    user_id: str | None
    words: str


def review_of(event: Event) -> str:
    """Return an event's headline and review as one text; empty where it has neither."""
    return "\n".join(part.strip() for part in (event.title, event.review) if part and part.strip())


def title_texts(items: Sequence[Item]) -> Iterator[Text]:
    """Yield the titles of a catalogue; items without one are passed over."""
    for item in items:
        if item.title and item.title.strip():
            yield Text(item.item_id, None, item.title)


def review_texts(histories: Iterable[History], most: int = MAX_REVIEWS) -> Iterator[Text]:
    """Yield the first reviews of some histories; events without any words are passed over."""
    events = (event for history in histories for event in history.events)
    reviews = (Text(event.item_id, event.user_id, review_of(event)) for event in events)
    yield from itertools.islice((review for review in reviews if review.words), most)
