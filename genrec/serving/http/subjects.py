"""Whom a question is about: a user's live history, or the events that came with the question."""

from __future__ import annotations

from genrec.serving.gateway import Gateway
from genrec.serving.histories import LiveHistory
from genrec.serving.http.schemas import INLINE_USER, Subject, to_events
from genrec.serving.store import StoredEvent


async def read_subject(gateway: Gateway, subject: Subject) -> LiveHistory:
    """Return the history a question is about; events whose item has left are passed over.

    Raises:
        ServeError: The user or an item is unknown, or an inline event cannot be used.
    """
    if subject.user_id is not None:
        live = await gateway.in_thread(gateway.histories.read, subject.user_id)
        recommender = gateway.recommender
        stored = tuple(one for one in live.stored if recommender.knows(one.event.item_id))
        return LiveHistory(live.user_id, stored, live.older_items)
    events = to_events(gateway, subject.events or (), INLINE_USER)
    events.sort(key=lambda event: event.timestamp)
    return LiveHistory(INLINE_USER, tuple(map(StoredEvent, events)))
