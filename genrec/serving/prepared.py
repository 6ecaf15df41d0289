"""Users of the prepared data: who they are, and their histories, read from disk when asked for."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrec.data.dataset import EVENTS_FILE, Dataset
from genrec.schema import USER_ID, Event

CACHED_USERS = 10_000
CACHED_EVENTS = 2_000_000


class PreparedUsers:
    """Who is in the prepared data; some dozen bytes a user in memory."""

    def __init__(self, data: Dataset) -> None:
        """Read the IDs; the file is grouped by user."""
        self._data = data
        ids: list[str] = []
        counts: list[int] = []
        file = pq.ParquetFile(data.path / EVENTS_FILE)
        for batch in file.iter_batches(columns=[USER_ID]):
            runs = pc.run_end_encode(batch.column(0))
            numbers = np.diff(runs.run_ends.to_numpy(), prepend=0).tolist()
            for user_id, number in zip(runs.values.to_pylist(), numbers, strict=True):
                if ids and ids[-1] == user_id:
                    counts[-1] += number
                else:
                    ids.append(user_id)
                    counts.append(number)
        order = pc.sort_indices(pa.array(ids, pa.large_string()))
        self._ids = pa.array(ids, pa.large_string()).take(order)
        self._counts = np.array(counts, dtype=np.int64)[order.to_numpy()]
        self._cache: OrderedDict[str, tuple[Event, ...]] = OrderedDict()
        self._cached_events = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, user_id: str) -> bool:
        return self._place(user_id) is not None

    def num_events(self, user_id: str) -> int:
        """Return how many events a user has; 0 where there is no such user."""
        place = self._place(user_id)
        return 0 if place is None else int(self._counts[place])

    def search(self, query: str, limit: int, start: int = 0) -> list[str]:
        """Return the first users, in the order of their IDs, whose ID contains a text.

        Args:
            query: Empty: any user.
            limit: Most users.
            start: How many to pass over.
        """
        if not query:
            return self._ids.slice(start, limit).to_pylist()
        found = self._ids.filter(pc.match_substring(self._ids, query, ignore_case=True))
        return found.slice(start, limit).to_pylist()

    def events(self, user_id: str) -> tuple[Event, ...]:
        """Return a user's events, oldest first; empty where there is no such user."""
        if user_id not in self:
            return ()
        with self._lock:
            if user_id in self._cache:
                self._cache.move_to_end(user_id)
                return self._cache[user_id]
        events = self._data.history(user_id).events
        with self._lock:
            if user_id not in self._cache:
                self._cache[user_id] = events
                self._cached_events += len(events)
            while len(self._cache) > CACHED_USERS or self._cached_events > CACHED_EVENTS:
                self._cached_events -= len(self._cache.popitem(last=False)[1])
        return events

    def _place(self, user_id: str) -> int | None:
        place = bisect_left(range(len(self._ids)), user_id, key=lambda n: self._ids[n].as_py())
        found = place < len(self._ids) and self._ids[place].as_py() == user_id
        return place if found else None
