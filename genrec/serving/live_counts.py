"""Keeps what a gateway counts in step with the store's events, without any training.

Every gateway reads what came to the store, whoever took it, and counts it: what one user did counts
for the next answer to another within a second or two, as transitions and as popularity. Whoever is
forgotten is taken out again.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from genrec.engines.base import Counted
from genrec.errors import GenrecError
from genrec.feedback import is_evidence
from genrec.model.live_counts import LiveCounts, LiveEvent
from genrec.model.recent_popularity import RecentPopularity
from genrec.schema import Event
from genrec.serving.batching import Batcher
from genrec.serving.errors import NotFound
from genrec.serving.histories import Histories, LiveHistory
from genrec.serving.loading import Loaded
from genrec.serving.monitoring import describe_fault, log
from genrec.serving.store import EventStore
from genrec.serving.store.events import Progress


class LiveCounting:
    """Follows the events of a store for the heads that may answer, and for recent popularity."""

    def __init__(self, events: EventStore, loaded: Callable[[], Loaded], batcher: Batcher) -> None:
        """Take the store, what serves, and who lets it be changed."""
        self._events = events
        self._loaded = loaded
        self._batcher = batcher
        self._turn = asyncio.Lock()
        self._heads: list[_Head] = []
        self._popularity: _Popularity | None = None

    async def keep_counting(self, every_s: float) -> None:
        """Count what came, now and again, until cancelled."""
        while True:
            try:
                await self.catch_up()
            except (SQLAlchemyError, GenrecError) as error:
                log("live_counts_wait", logging.WARNING, **describe_fault(error))
            await asyncio.sleep(every_s)

    async def catch_up(self) -> None:
        """Count what came since, or all anew for a head that could not answer before.

        Raises:
            SQLAlchemyError: The store does not answer.
            Overloaded: The engine has no time.
        """
        async with self._turn:
            loaded = self._loaded()
            known = {head.counted: head for head in self._heads}
            self._heads = [
                known.get(counted) or _Head(counted, self._events, loaded.histories)
                for counted in loaded.recommender.counted
            ]
            for head in self._heads:
                await run_sync(head.count)
                if not head.is_used:
                    votes = await run_sync(head.counts.votes)
                    await self._batcher.exclusive(partial(head.counted.use, votes))
                    head.is_used = True
            popularity = await run_sync(lambda: loaded.recommender.popularity)
            if popularity is None:
                self._popularity = None
            elif self._popularity is None or self._popularity.popularity is not popularity:
                self._popularity = _Popularity(popularity, self._events, loaded.histories)
            if self._popularity is not None:
                await run_sync(self._popularity.count)


class _Follower(ABC):
    """Reads the history of each user who did something since, and of who was forgotten."""

    def __init__(self, events: EventStore, histories: Histories) -> None:
        self._events, self._histories = events, histories
        self._progress = Progress(histories.after)

    @property
    @abstractmethod
    def users(self) -> Iterable[str]:
        """Who is counted."""

    @abstractmethod
    def put(self, user_id: str, live: LiveHistory | None) -> None:
        """Count a user anew; None: nothing is known of them."""

    def count(self) -> None:
        """Count what came since."""
        progress, users = self._events.news(self._progress)
        if progress.forgettings != self._progress.forgettings:
            users |= self._events.forgotten(self.users)
        for user_id in users:
            try:
                live = self._histories.read(user_id)
            except NotFound:
                self.put(user_id, None)
            else:
                self.put(user_id, live)
        self._progress = progress


class _Head(_Follower):
    """What was counted for one head.

    Attributes:
        counted: The head's counts.
        counts: They, with live events.
        is_used: Whether the head answers with what was counted.
    """

    def __init__(self, counted: Counted, events: EventStore, histories: Histories) -> None:
        super().__init__(events, histories)
        self.counted = counted
        self.counts = LiveCounts(counted.votes)
        # A head that answered before may hold what was counted then.
        self.is_used = False

    @property
    def users(self) -> Iterable[str]:
        return self.counts.users

    def put(self, user_id: str, live: LiveHistory | None) -> None:
        self.is_used = False
        self.counts.put(user_id, [] if live is None else _to_events(live, self.counted))


class _Popularity(_Follower):
    """What is popular of late."""

    def __init__(
        self, popularity: RecentPopularity, events: EventStore, histories: Histories
    ) -> None:
        super().__init__(events, histories)
        self.popularity = popularity

    @property
    def users(self) -> Iterable[str]:
        return self.popularity.users

    def count(self) -> None:
        super().count()
        self.popularity.settle()

    def put(self, user_id: str, live: LiveHistory | None) -> None:
        came = [] if live is None else [event for event, posted in _evidence(live) if posted]
        self.popularity.put(user_id, ((event.item_id, event.timestamp) for event in came))


def _evidence(live: LiveHistory) -> list[tuple[Event, bool]]:
    """Return the events that speak for their items, and whether each came to the store."""
    both = zip(live.history.events, live.posted, strict=True)
    return [(event, posted) for event, posted in both if is_evidence(event.event_type)]


def _to_events(live: LiveHistory, counted: Counted) -> list[LiveEvent]:
    table = counted.table
    return [
        LiveEvent(
            table.index_of(event.item_id) if table.knows(event.item_id) else None,
            not posted or event.timestamp < counted.until,
        )
        for event, posted in _evidence(live)
    ]
