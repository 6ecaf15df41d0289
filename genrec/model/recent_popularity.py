"""Recent popularity: the events of some days before the moment of asking, item by item.

Enters: the items and times of a training's events and, where a gateway follows a store, of live
ones. Leaves: the items that most were of, each with the log of one more than its events. Needs no
torch. A moment is rounded down to a hundredth of the window, so that one count serves many
requests, and no event counts that came at the moment itself or later.

Source: popularity at the time of asking, Ji et al., A Re-visit of the Popularity Baseline in
Recommender Systems, arXiv 2005.13829; beside a model, GRUT, arXiv 2509.13957.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
from cachetools import LRUCache

from genrec.data import Dataset
from genrec.schema import Split
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.semantic_ids.table import SemanticIdTable

DAY_S = 86_400
MOST_POPULAR = 200
"""Items that a count tells of, so that what an engine is sent does not grow with the catalogue."""
PARTS_OF_WINDOW = 100
COUNTS_KEPT = 256
LIVE_DAYS = 60
"""Live events that are older than the newest by more count no longer: no window is as long."""


class _Events(NamedTuple):
    """Events, oldest first; shape of each: (E,).

    Attributes:
        places: Of their items.
        times: Seconds.
        owners: Numbers of their users.
    """

    places: np.ndarray
    times: np.ndarray
    owners: np.ndarray

    @classmethod
    def sort(cls, places: np.ndarray, times: np.ndarray, owners: np.ndarray) -> _Events:
        order = np.argsort(times, kind="stable")
        return cls(places[order], times[order], owners[order])

    def kept(self, which: np.ndarray) -> _Events:
        return _Events(self.places[which], self.times[which], self.owners[which])

    def between(self, start: int, end: int) -> np.ndarray:
        """Return the places of the events from a moment on, up to another one."""
        first, last = np.searchsorted(self.times, [start, end])
        found: np.ndarray = self.places[first:last]
        return found


class RecentPopularity:
    """Counts the events of a window before any moment; may be used by several threads."""

    def __init__(self, item_ids: Sequence[str], items: np.ndarray, times: np.ndarray) -> None:
        """Take the events of a training.

        Args:
            item_ids: Of the catalogue.
            items: Place in it of each event's item. Shape: (E,).
            times: Of each event, seconds. Shape: (E,).
        """
        self._item_ids = list(item_ids)
        self._place_of = {item_id: place for place, item_id in enumerate(self._item_ids)}
        # Nobody takes these back, so whose they are does not matter.
        self._trained = _Events.sort(items, times, np.zeros(len(items), dtype=np.int32))
        self._live = self._trained.kept(np.arange(0))
        self._numbers: dict[str, int] = {}
        """Of the users that have live events."""
        self._next_number = 0
        self._waiting: dict[str, list[tuple[int, int]]] = {}
        """Places and times of the users that were put since."""
        self._counts = LRUCache[tuple[int, float], list[tuple[str, float]]](COUNTS_KEPT)
        self._lock = Lock()

    @classmethod
    def of(cls, data: Dataset, upto: Split = "train") -> RecentPopularity:
        """Count prepared data up to and including a split; of a catalogue alone, nothing."""
        if not data.has_events:
            return cls([], np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        known = data.interactions(upto)
        return cls([*data.item_index], known.item_index, known.timestamp)

    @property
    def users(self) -> list[str]:
        """Who has live events that count."""
        return list(self._numbers)

    def put(self, user_id: str, events: Iterable[tuple[str, int]]) -> None:
        """Take a user's live events, items and seconds, in place of those of before.

        They count from the next ``settle`` on. One thread at a time.
        """
        self._waiting[user_id] = [(self._place(item_id), time) for item_id, time in events]

    def settle(self) -> None:
        """Count what was put; meanwhile others count what was there. One thread at a time."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        gone = [self._numbers.pop(user) for user in waiting if user in self._numbers]
        there = {user: events for user, events in waiting.items() if events}
        numbers = {user: self._next_number + place for place, user in enumerate(there)}
        self._next_number += len(numbers)
        self._numbers |= numbers
        came = np.array(
            [(*event, numbers[user]) for user, events in there.items() for event in events],
            dtype=np.int64,
        ).reshape(-1, 3)
        stay = self._live.kept(~np.isin(self._live.owners, gone))
        live = _Events.sort(*map(np.concatenate, zip(stay, _Events(*came.T), strict=True)))
        with self._lock:
            self._live = self._without_old(live)
            self._counts.clear()

    def before(self, moment: int | None, days: float, table: SemanticIdTable) -> RowScores:
        """Return what was taken in the days before a moment.

        Args:
            moment: Seconds; None: nobody knows, and nothing is popular.
            days: Length of the window.
            table: Whose rows are named; items that it does not know are passed over.
        """
        if moment is None:
            return NOTHING
        window = round(days * DAY_S)
        part = max(window // PARTS_OF_WINDOW, 1)
        end = moment // part * part
        with self._lock:
            counts = self._counts.get((end, days))
            if counts is None:
                counts = self._counts[end, days] = self._count(end - window, end)
        known = sorted((table.index_of(each), log) for each, log in counts if table.knows(each))
        if not known:
            return NOTHING
        rows, logs = zip(*known, strict=True)
        return RowScores(np.array(rows, dtype=np.int64), np.array(logs, dtype=np.float32))

    def _count(self, start: int, end: int) -> list[tuple[str, float]]:
        taken = [events.between(start, end) for events in (self._trained, self._live)]
        places, events = np.unique(np.concatenate(taken), return_counts=True)
        most = np.argsort(-events, kind="stable")[:MOST_POPULAR]
        logs = np.log1p(events[most]).tolist()
        return [(self._item_ids[place], log) for place, log in zip(places[most], logs, strict=True)]

    def _without_old(self, live: _Events) -> _Events:
        """Leave out events that no window reaches, and who has no others; about once a day."""
        if not len(live.times) or live.times[0] >= live.times[-1] - (LIVE_DAYS + 1) * DAY_S:
            return live
        live = live.kept(live.times >= live.times[-1] - LIVE_DAYS * DAY_S)
        present = set(live.owners.tolist())
        self._numbers = {user: each for user, each in self._numbers.items() if each in present}
        return live

    def _place(self, item_id: str) -> int:
        place = self._place_of.setdefault(item_id, len(self._item_ids))
        if place == len(self._item_ids):
            self._item_ids.append(item_id)
        return place
