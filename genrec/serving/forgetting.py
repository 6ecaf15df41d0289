"""Drops what this process keeps of a user to answer faster, once any process forgot them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from genrec.serving.loading import Loaded
from genrec.serving.monitoring import describe_fault, log
from genrec.serving.store import EventStore

LOOK_S = 1.0


class Forgetting:
    """Follows whom the gateways on a store, and the workers of each, were told to forget."""

    def __init__(self, events: EventStore, loaded: Callable[[], Loaded]) -> None:
        """Take the store, and what serves."""
        self._events = events
        self._loaded = loaded
        self._forgettings = 0

    async def keep(self) -> None:
        """Look now and again, until cancelled."""
        while True:
            try:
                await run_sync(self.catch_up)
            except SQLAlchemyError as error:
                log("forgetting_waits", logging.WARNING, **describe_fault(error))
            await asyncio.sleep(LOOK_S)

    def catch_up(self) -> None:
        """Drop what is kept of users who were forgotten since.

        Raises:
            SQLAlchemyError: The store does not answer.
        """
        forgettings = self._events.forgettings()
        if forgettings == self._forgettings:
            return
        recommender = self._loaded().recommender
        for user_id in self._events.forgotten(recommender.remembered):
            recommender.forget(user_id)
        self._forgettings = forgettings
