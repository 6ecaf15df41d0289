"""Online metrics of the store: counted off the hot path, kept until they are counted anew."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from anyio.to_thread import run_sync
from cachetools import LRUCache
from sqlalchemy.exc import SQLAlchemyError

from genrec.data.dataset import Dataset
from genrec.errors import GenrecError
from genrec.online_metrics import Act, Figures, Page, Training, measure
from genrec.serving.loading import Loaded
from genrec.serving.monitoring import describe_fault, log
from genrec.serving.settings import Settings
from genrec.serving.store import EventStore, Impression, ImpressionStore

DAY_S = 86_400
MAX_PAGES = 50_000
"""Newest pages of a window that are counted; what is older counts as outside of it."""
EARLIER_DAYS = 7
EARLIER_PAGES = 5_000
"""Newest pages of the days before, whose scores those of now are compared with."""
MAX_DAYS = 90


@dataclass(frozen=True)
class _Learned:
    """What never changes while one run is served."""

    model: str
    events_of: dict[str, int]
    until: int | None


class OnlineMetrics:
    """Counts windows of the store; every method may be called from any thread."""

    def __init__(
        self,
        stores: tuple[ImpressionStore, EventStore],
        loaded: Callable[[], Loaded],
        learned_until: Callable[[], int | None],
        settings: Settings,
        clock: Callable[[], float],
    ) -> None:
        """Take what is counted.

        Args:
            stores: Of what was shown and of what was done.
            loaded: Returns what is served.
            learned_until: Returns the time of the newest event that the adapter in use was made
                from, seconds; None: that of the run.
            settings: Of the service.
            clock: Tells the time, seconds.
        """
        self._impressions, self._events = stores
        self._loaded = loaded
        self._learned_until = learned_until
        self._settings = settings
        self._clock = clock
        self._learned: _Learned | None = None
        self._past: LRUCache[int, Figures] = LRUCache(MAX_DAYS)
        self._lock = threading.Lock()
        self._latest: Figures | None = None

    @property
    def latest(self) -> Figures | None:
        """The last 24 hours as they were last counted; None: not yet."""
        return self._latest

    async def keep_counting(self, every_s: float) -> None:
        """Count the last 24 hours, now and again, until cancelled."""
        while True:
            try:
                await run_sync(self.count)
            except (SQLAlchemyError, GenrecError) as error:
                log("online_metrics_wait", logging.WARNING, **describe_fault(error))
            await asyncio.sleep(every_s)

    def count(self) -> Figures:
        """Count the last 24 hours.

        Raises:
            EngineUnavailable: No run is loaded yet.
            SQLAlchemyError: The store does not answer.
        """
        now = int(self._clock()) + 1
        with self._lock:
            self._latest = self._measure(now - DAY_S, now)
            return self._latest

    def days(self, count: int) -> list[Figures]:
        """Count the last days of UTC, today among them; a day that is over is counted once.

        Raises:
            EngineUnavailable: No run is loaded yet.
            SQLAlchemyError: The store does not answer.
        """
        now = int(self._clock())
        today = now // DAY_S
        return [self._day(day, now) for day in range(today - count + 1, today + 1)]

    def _day(self, day: int, now: int) -> Figures:
        with self._lock:
            found = self._past.get(day)
            if found is None:
                found = self._measure(day * DAY_S, min((day + 1) * DAY_S, now + 1))
                # Over is a day only when nothing can follow its pages any more.
                if now >= (day + 1) * DAY_S + self._settings.attribution_s:
                    self._past[day] = found
            return found

    def _measure(self, since: int, until: int) -> Figures:
        shown = self._impressions.between(since, until, MAX_PAGES)
        if len(shown) == MAX_PAGES:
            since = min(one.time for one in shown.values())
        earlier = self._impressions.between(since - EARLIER_DAYS * DAY_S, since, EARLIER_PAGES)
        acts = [
            Act(
                *(stored.event.user_id, stored.event.item_id, stored.event.timestamp),
                *(stored.event.event_type, stored.recommendation_id),
            )
            for stored in self._events.between(since, until + self._settings.attribution_s)
        ]
        return measure(
            (since, until),
            [_to_page(name, one) for name, one in shown.items()],
            acts,
            self._training(until),
            self._settings.conversion_events,
            [score for one in earlier.values() for _, score in one.items],
            self._settings.attribution_s,
        )

    def _training(self, at: int) -> Training:
        loaded = self._loaded()
        if self._learned is None or self._learned.model != loaded.model:
            self._learned = _learn(loaded.model, loaded.trained_on)
        table = loaded.recommender.table
        gone = loaded.catalogue.gone(at)
        here = [item_id for item_id in table.item_ids if item_id not in gone]
        codes = dict(zip(here, table.first_codes(here).tolist(), strict=True))
        until = self._learned_until() or self._learned.until
        return Training(self._learned.events_of, codes, until)


def _learn(model: str, data: Dataset) -> _Learned:
    if not data.has_events:
        return _Learned(model, {}, None)
    events = data.interactions("train")
    counts = np.bincount(events.item_index, minlength=events.num_items).tolist()
    known = {name: counts[index] for name, index in data.item_index.items() if counts[index]}
    return _Learned(model, known, int(events.timestamp.max()) if len(events.timestamp) else None)


def _to_page(name: str, one: Impression) -> Page:
    draws = tuple(draw for draw in one.draws if draw is not None)
    whole = draws if len(draws) == len(one.items) else ()
    return Page(name, one.user_id, one.time, one.items, whole)
