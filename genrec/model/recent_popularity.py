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

import numpy as np
from cachetools import LRUCache

from genrec.data import Dataset
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.semantic_ids.table import SemanticIdTable

DAY_S = 86_400
MOST_POPULAR = 200
"""Items that a count tells of, so that what an engine is sent does not grow with the catalogue."""
PARTS_OF_WINDOW = 100
COUNTS_KEPT = 256


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
        self._trained = _by_time(items, times)
        self._live = _by_time(items[:0], times[:0])
        self._of_user: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        """Places and times of each user's live events."""
        self._is_sorted = True
        self._counts = LRUCache[tuple[int, float], list[tuple[str, float]]](COUNTS_KEPT)
        self._lock = Lock()

    @classmethod
    def of(cls, data: Dataset) -> RecentPopularity:
        """Count the train split of prepared data; of a catalogue without events, nothing."""
        if not data.has_events:
            return cls([], np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        known = data.interactions("train")
        return cls([*data.item_index], known.item_index, known.timestamp)

    @property
    def users(self) -> list[str]:
        """Who has live events that count."""
        with self._lock:
            return list(self._of_user)

    def put(self, user_id: str, events: Iterable[tuple[str, int]]) -> None:
        """Count a user's live events, items and seconds, in place of those known of before."""
        with self._lock:
            taken = [(self._place(item_id), time) for item_id, time in events]
            if taken:
                places, times = np.array(taken, dtype=np.int64).T
                self._of_user[user_id] = places, times
            elif self._of_user.pop(user_id, None) is None:
                return
            self._is_sorted = False
            self._counts.clear()

    def before(self, moment: int, days: float, table: SemanticIdTable) -> RowScores:
        """Return what was taken in the days before a moment.

        Args:
            moment: Seconds.
            days: Length of the window.
            table: Whose rows are named; items that it does not know are passed over.
        """
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
        if not self._is_sorted:
            nothing = np.empty(0, dtype=np.int64)
            parts = list(zip(*self._of_user.values(), strict=True)) or [(), ()]
            self._live = _by_time(*(np.concatenate([nothing, *part]) for part in parts))
            self._is_sorted = True
        taken = [
            places[slice(*np.searchsorted(times, [start, end]))]
            for places, times in (self._trained, self._live)
        ]
        places, events = np.unique(np.concatenate(taken), return_counts=True)
        most = np.argsort(-events, kind="stable")[:MOST_POPULAR]
        logs = np.log1p(events[most]).tolist()
        return [(self._item_ids[place], log) for place, log in zip(places[most], logs, strict=True)]

    def _place(self, item_id: str) -> int:
        place = self._place_of.setdefault(item_id, len(self._item_ids))
        if place == len(self._item_ids):
            self._item_ids.append(item_id)
        return place


def _by_time(places: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(times, kind="stable")
    return places[order], times[order]
