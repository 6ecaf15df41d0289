"""A user's history as it is now: the prepared data's, then what was posted, by time."""

from __future__ import annotations

from dataclasses import dataclass

from genrec.schema import Event, History
from genrec.serving.http.errors import ServeError, show
from genrec.serving.prepared import PreparedUsers
from genrec.serving.store import EventStore, StoredEvent


@dataclass(frozen=True)
class LiveHistory:
    """What is known of a user at this moment.

    Attributes:
        user_id: External ID.
        stored: The newest events, oldest first.
        older_items: Items of events older than these: still not to be recommended again.
    """

    user_id: str
    stored: tuple[StoredEvent, ...]
    older_items: frozenset[str] = frozenset()

    @property
    def history(self) -> History:
        """The events as the model's side knows them."""
        return History(self.user_id, tuple(stored.event for stored in self.stored))


class Histories:
    """Reads users; every call asks the store anew, so that an event counts at once."""

    def __init__(self, prepared: PreparedUsers, events: EventStore, max_events: int) -> None:
        self._prepared = prepared
        self._events = events
        self._max_events = max_events

    def read(self, user_id: str) -> LiveHistory:
        """Return a user's history.

        Raises:
            ServeError: Nobody has this ID.
        """
        posted = self._events.history(user_id, self._max_events)
        before: tuple[Event, ...] = ()
        if not posted.forgotten:
            before = self._prepared.events(user_id)
        if not before and not posted.events:
            raise ServeError(
                404,
                "unknown_user",
                f"no events of user {show(user_id)}; post some to /v1/events first, or send the "
                "history as `events` (an empty list for a new user)",
            )
        # A stable sort: of equal times the prepared event comes first, then the order of arrival.
        merged = sorted(
            [*map(StoredEvent, before), *posted.events], key=lambda stored: stored.event.timestamp
        )
        older = [stored.event.item_id for stored in merged[: -self._max_events]]
        return LiveHistory(
            user_id, tuple(merged[-self._max_events :]), posted.older_items.union(older)
        )

    def search(self, query: str, limit: int) -> list[tuple[str, int]]:
        """Return users whose ID contains a text and their numbers of events, by ID."""
        posted = self._events.users(query, limit)
        before = self._prepared_users(query, limit)
        user_ids = sorted({*posted, *before})[:limit]
        posted = self._events.counts(user_ids)
        return [(user_id, posted.get(user_id, 0) + before.get(user_id, 0)) for user_id in user_ids]

    def _prepared_users(self, query: str, limit: int) -> dict[str, int]:
        """Return the first users of the prepared data who were not deleted."""
        found: dict[str, int] = {}
        start = 0
        while len(found) < limit:
            page = self._prepared.search(query, limit, start)
            forgotten = self._events.forgotten(page)
            kept = [user_id for user_id in page if user_id not in forgotten]
            found.update((user_id, self._prepared.num_events(user_id)) for user_id in kept)
            if len(page) < limit:
                break
            start += limit
        return dict(list(found.items())[:limit])

    def forget(self, user_id: str) -> None:
        """Delete a user.

        Raises:
            ServeError: Nobody has this ID.
        """
        self.read(user_id)
        self._events.forget(user_id)
