"""Keeps one gateway in step with what all gateways on its store were told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Protocol

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from genrec.errors import GenrecError
from genrec.serving.monitoring import describe_fault, log
from genrec.serving.store import ChangeLog

POLL_S = 1.0
"""Within this time a change arrives even where no notice and no request tells of it."""


class Follower(Protocol):
    """What does as the log says of one kind of subjects."""

    @property
    def position(self) -> int:
        """Number of the last change of the log that is known here."""
        ...

    async def catch_up(self) -> None:
        """Do what the log holds and was not done here yet."""
        ...


class Following:
    """Does what the change log holds, as it comes and when a request has seen that it is there.

    What cannot be done now (the store or the engine is away) is tried again at the next look, and
    holds up nothing else.
    """

    def __init__(self, changes: ChangeLog, followers: Sequence[Follower]) -> None:
        self._changes = changes
        self._followers = followers
        self._turn = asyncio.Lock()
        self._seen = 0

    async def keep(self) -> None:
        """Do it as it comes, until cancelled."""
        async with aclosing(self._changes.watch(POLL_S)) as looks:
            async for _ in looks:
                try:
                    await self._reach(await run_sync(self._changes.head))
                except SQLAlchemyError as error:
                    log("changes_wait", logging.WARNING, **describe_fault(error))

    async def reach(self, head: int) -> None:
        """Do what the log holds up to a number, unless it was tried already.

        Whoever has read in the store what follows a change answers in its light.
        """
        if head > self._seen:
            await self._reach(head)

    async def look(self) -> None:
        """Do what the log holds at this moment.

        Raises:
            SQLAlchemyError: The store does not answer.
        """
        await self.reach(await run_sync(self._changes.head))

    async def _reach(self, head: int) -> None:
        async with self._turn:
            for follower in self._followers:
                try:
                    if head > follower.position:
                        await follower.catch_up()
                except (SQLAlchemyError, GenrecError) as error:
                    log("changes_wait", logging.WARNING, **describe_fault(error))
            self._seen = max(self._seen, head)
