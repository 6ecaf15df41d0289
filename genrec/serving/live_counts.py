"""Keeps the transition counts of a gateway in step with the store's events, without any training.

Every gateway reads what came to the store, whoever took it, and counts it: what one user did counts
for the next answer to another within a second or two. Whoever is forgotten is taken out again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from genrec.engines.base import Counted
from genrec.errors import GenrecError
from genrec.feedback import is_evidence
from genrec.model.live_counts import LiveCounts, LiveEvent
from genrec.serving.batching import Batcher
from genrec.serving.errors import NotFound
from genrec.serving.histories import LiveHistory
from genrec.serving.loading import Loaded
from genrec.serving.monitoring import describe_fault, log
from genrec.serving.store import EventStore
from genrec.serving.store.events import Progress

USERS_AT_ONCE = 10_000
"""Asked of the store in one statement."""


class LiveTransitions:
    """Follows the events of a store for the head that is in use."""

    def __init__(self, events: EventStore, loaded: Callable[[], Loaded], batcher: Batcher) -> None:
        """Take the store, what serves, and who lets it be changed."""
        self._events = events
        self._loaded = loaded
        self._batcher = batcher
        self._turn = asyncio.Lock()
        self._progress = Progress()
        self._counted: Counted | None = None
        self._counts: LiveCounts | None = None
        self._is_used = True

    async def keep_counting(self, every_s: float) -> None:
        """Count what came, now and again, until cancelled."""
        while True:
            try:
                await self.catch_up()
            except (SQLAlchemyError, GenrecError) as error:
                log("live_counts_wait", logging.WARNING, **describe_fault(error))
            await asyncio.sleep(every_s)

    async def catch_up(self) -> None:
        """Count what came since, or all anew where another head is in use.

        Raises:
            SQLAlchemyError: The store does not answer.
            Overloaded: The engine has no time.
        """
        async with self._turn:
            counted = self._loaded().recommender.counted
            if counted is not self._counted:
                self._counted = counted
                self._counts = None if counted is None else LiveCounts(counted.votes)
                self._progress = Progress(self._loaded().histories.after)
                # A head that served before may hold what was counted then.
                self._is_used = False
            if counted is None or self._counts is None:
                return
            await run_sync(self._count, counted, self._counts)
            if not self._is_used:
                votes = await run_sync(self._counts.votes)
                await self._batcher.exclusive(lambda: counted.use(votes))
                self._is_used = True

    def _count(self, counted: Counted, counts: LiveCounts) -> None:
        progress, users = self._events.news(self._progress)
        if progress.forgettings != self._progress.forgettings:
            known = list(counts.users)
            for start in range(0, len(known), USERS_AT_ONCE):
                users |= self._events.forgotten(known[start : start + USERS_AT_ONCE])
        self._is_used &= not users
        for user_id in users:
            try:
                live = self._loaded().histories.read(user_id)
            except NotFound:
                counts.put(user_id, [])
            else:
                counts.put(user_id, _to_events(live, counted))
        self._progress = progress


def _to_events(live: LiveHistory, counted: Counted) -> list[LiveEvent]:
    table = counted.table
    return [
        LiveEvent(
            table.index_of(event.item_id) if table.knows(event.item_id) else None,
            not posted or event.timestamp < counted.until,
        )
        for event, posted in zip(live.history.events, live.posted, strict=True)
        if is_evidence(event.event_type)
    ]
