"""A user's history as it is now: the prepared data's events, then those posted, by time."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cachetools import LRUCache, cachedmethod

from genrec.data.dataset import EVENTS_FILE, Dataset
from genrec.interests.counterfactual import resolve_event_indices
from genrec.schema import USER_ID, History, Search
from genrec.serving.errors import NotFound, ServiceError, quote
from genrec.serving.store import EventStore, StoredEvent, StoredPreferences

CACHED_EVENTS = 2_000_000
USER_OVERHEAD_EVENTS = 100
"""A cached user costs this much beside the events, so that at most 20,000 are kept."""


@dataclass(frozen=True)
class LiveHistory:
    """What is known about a user at this moment.

    Attributes:
        history: The newest events and searches.
        event_ids: The ID that each event was posted under, if it had one.
        older_items: Items of events older than these: still not to be recommended again.
        forgotten: How often the user was deleted; nothing of before is here.
        preferences: The user's; None: none are stored.
        head: Number of the last change of the log when this was read; 0: it was not looked at.
        posted: Whether each event came to the store, and is not in the prepared data.
    """

    history: History
    event_ids: tuple[str | None, ...]
    older_items: frozenset[str] = frozenset()
    forgotten: int = 0
    preferences: StoredPreferences | None = None
    head: int = 0
    posted: tuple[bool, ...] = ()

    def without(self, left_out: Collection[int]) -> LiveHistory:
        """Return the history as if some events had never been; 0 is the oldest one."""
        kept = (name for place, name in enumerate(self.event_ids) if place not in left_out)
        posted = (each for place, each in enumerate(self.posted) if place not in left_out)
        left = self.history.without(left_out)
        return replace(self, history=left, event_ids=tuple(kept), posted=tuple(posted))

    def what_if(self, without: Sequence[int | str], as_of: int | None) -> LiveHistory:
        """Return the history as of a past moment, without some events.

        Args:
            without: By number (1 the oldest, -1 the newest) or by event ID.
            as_of: Only earlier events are known; None: all are.

        Raises:
            ServiceError: No event has the ID.
            DataError: No event has the number.
        """
        numbers = [key for key in without if isinstance(key, int)]
        left_out = resolve_event_indices(self.history, numbers)
        index_of = {event_id: index for index, event_id in enumerate(self.event_ids)}
        for key in without:
            if isinstance(key, str):
                if key not in index_of:
                    raise ServiceError(
                        "unknown_event",
                        f"without: no event {quote(key)} in this history; name events by "
                        "`event_id` or by number (1 is the oldest)",
                    )
                left_out.add(index_of[key])
        if as_of is not None:
            events = enumerate(self.history.events)
            left_out |= {index for index, event in events if event.timestamp >= as_of}
        known = self.without(left_out)
        return known if as_of is None else replace(known, history=known.history.before(as_of))


class PreparedUsers:
    """Who is in the prepared data; a few dozen bytes of memory per user."""

    def __init__(self, data: Dataset) -> None:
        """Read the IDs; the file is grouped by user."""
        self._data = data
        ids: list[str] = []
        counts: list[int] = []
        # A model that was moved has a catalogue and nobody's events: users are those who post.
        file = pq.ParquetFile(data.path / EVENTS_FILE) if data.has_events else None
        for batch in file.iter_batches(columns=[USER_ID]) if file is not None else ():
            runs = pc.run_end_encode(batch.column(0))
            lengths = np.diff(runs.run_ends.to_numpy(), prepend=0).tolist()
            for user_id, length in zip(runs.values.to_pylist(), lengths, strict=True):
                if ids and ids[-1] == user_id:
                    counts[-1] += length
                else:
                    ids.append(user_id)
                    counts.append(length)
        order = pc.sort_indices(pa.array(ids, pa.large_string()))
        self._ids = pa.array(ids, pa.large_string()).take(order)
        self._counts = np.array(counts, dtype=np.int64)[order.to_numpy()]
        self._cache: LRUCache[str, History] = LRUCache(
            CACHED_EVENTS,
            getsizeof=lambda known: USER_OVERHEAD_EVENTS + len(known.events) + len(known.searches),
        )
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ids)

    def num_events(self, user_id: str) -> int:
        """Return how many events a user has; 0 where there is no such user."""
        index = bisect_left(range(len(self._ids)), user_id, key=lambda n: self._ids[n].as_py())
        is_known = index < len(self._ids) and self._ids[index].as_py() == user_id
        return int(self._counts[index]) if is_known else 0

    def search(self, query: str, limit: int, start: int = 0) -> list[str]:
        """Return the first users, in the order of their IDs, whose ID contains a text.

        Args:
            query: Empty: any user.
            limit: Most users.
            start: How many to skip.
        """
        ids = self._ids
        if query:
            ids = ids.filter(pc.match_substring(ids, query, ignore_case=True))
        found: list[str] = ids.slice(start, limit).to_pylist()
        return found

    @cachedmethod(attrgetter("_cache"), lock=attrgetter("_lock"))
    def history(self, user_id: str) -> History:
        """Return a user's history; empty where there is no such user."""
        if self.num_events(user_id):
            return self._data.history(user_id)
        return History(user_id, (), about=self._data.descriptions.get(user_id))


class Histories:
    """Reads users; every call asks the store anew, so that an event counts at once."""

    def __init__(
        self, prepared: PreparedUsers, events: EventStore, max_events: int, after: int = 0
    ) -> None:
        """Take both sources, most events of a history, and the last event that is in both."""
        self._prepared = prepared
        self._events = events
        self._max_events = max_events
        self.after = after

    def read(self, user_id: str) -> LiveHistory:
        """Return a user's history.

        Raises:
            NotFound: Nobody has this ID.
        """
        posted = self._events.history(user_id, self._max_events, self._known_upto(user_id))
        prepared = History(user_id, ()) if posted.forgotten else self._prepared.history(user_id)
        about = prepared.about if posted.about is None else posted.about or None
        if not prepared.events and not posted.events and about is None:
            raise _unknown(user_id)
        # A stable sort: at equal times the prepared event comes first, then the order of arrival.
        searches = [StoredEvent.search(user_id, search) for search in prepared.searches]
        known = [*map(StoredEvent, prepared.events), *searches]
        came = {id(stored) for stored in posted.events}
        merged = sorted([*known, *posted.events], key=lambda stored: stored.event.timestamp)
        older = [each.event.item_id for each in merged[: -self._max_events] if each.text is None]
        newest = merged[-self._max_events :]
        events = [stored for stored in newest if stored.text is None]
        return LiveHistory(
            History(
                user_id,
                tuple(stored.event for stored in events),
                tuple(
                    Search(stored.event.timestamp, stored.text)
                    for stored in newest
                    if stored.text is not None
                ),
                about,
            ),
            tuple(stored.event_id for stored in events),
            posted.older_items.union(older),
            posted.forgotten,
            posted.preferences,
            posted.head,
            tuple(id(stored) in came for stored in events),
        )

    def search(self, query: str, limit: int) -> list[tuple[str, int]]:
        """Return users whose ID contains a text and their numbers of events, by ID."""
        prepared = self._search_prepared(query, limit)
        user_ids = sorted({*self._events.users(query, limit), *prepared})[:limit]
        posted: dict[str, int] = {}
        for upto in {self.after, 0}:
            some = [name for name in user_ids if self._known_upto(name) == upto]
            posted |= self._events.counts(some, upto)
        return [(name, posted.get(name, 0) + prepared.get(name, 0)) for name in user_ids]

    def forget(self, user_id: str) -> None:
        """Delete a user.

        Raises:
            NotFound: Nobody has this ID.
        """
        is_prepared = not self._events.forgotten([user_id]) and bool(
            self._prepared.num_events(user_id) or self._prepared.history(user_id).about
        )
        if not self._events.forget(user_id, is_prepared):
            raise _unknown(user_id)

    def _known_upto(self, user_id: str) -> int:
        """Return the number of the last event that is in the prepared data as well.

        A user whom they left out (a k-core does) is known from the store alone.
        """
        return self.after if self._prepared.num_events(user_id) else 0

    def _search_prepared(self, query: str, limit: int) -> dict[str, int]:
        """Return the first users of the prepared data who were not deleted."""
        counts: dict[str, int] = {}
        start = 0
        while len(counts) < limit:
            page = self._prepared.search(query, limit, start)
            forgotten = self._events.forgotten(page)
            kept = [user_id for user_id in page if user_id not in forgotten]
            counts.update((user_id, self._prepared.num_events(user_id)) for user_id in kept)
            if len(page) < limit:
                break
            start += limit
        return dict(list(counts.items())[:limit])


def _unknown(user_id: str) -> NotFound:
    return NotFound(
        "unknown_user",
        f"no events of user {quote(user_id)}; post some to /v1/events first, or send the "
        "history as `events` (an empty list for a new user)",
    )
