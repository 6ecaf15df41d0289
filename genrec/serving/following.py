"""Keeps one gateway in step with what all gateways on its store were told."""

from __future__ import annotations

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
"""Within this time a change arrives even where no notice tells of it."""


class Follower(Protocol):
    """What does as the log says of one kind of subjects."""

    @property
    def position(self) -> int:
        """Number of the last change of the log that is known here."""
        ...

    async def catch_up(self) -> None:
        """Do what the log holds and was not done here yet."""
        ...


async def follow(changes: ChangeLog, followers: Sequence[Follower]) -> None:
    """Do what the change log holds as it comes, until cancelled.

    What cannot be done now (the store or the engine is away) is tried again at the next look, and
    holds up nothing else.
    """
    async with aclosing(changes.watch(POLL_S)) as looks:
        async for _ in looks:
            try:
                head = await run_sync(changes.head)
            except SQLAlchemyError as error:
                log("changes_wait", logging.WARNING, **describe_fault(error))
                continue
            for follower in followers:
                try:
                    if head > follower.position:
                        await follower.catch_up()
                except (SQLAlchemyError, GenrecError) as error:
                    log("changes_wait", logging.WARNING, **describe_fault(error))
