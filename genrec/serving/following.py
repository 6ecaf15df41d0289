"""Keeps one gateway in step with what all gateways on its store were told."""

from __future__ import annotations

import logging
from contextlib import aclosing

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from genrec.errors import GenrecError
from genrec.serving.batching import Batcher
from genrec.serving.catalogue import Catalogue
from genrec.serving.monitoring import describe_fault, log
from genrec.serving.store import ChangeLog

POLL_S = 1.0
"""Within this time a change arrives even where no notice tells of it."""


async def follow(changes: ChangeLog, catalogue: Catalogue, batcher: Batcher) -> None:
    """Do what the change log holds as it comes, until cancelled.

    What cannot be done now (the store or the engine is away) is tried again at the next look.
    """
    async with aclosing(changes.watch(POLL_S)) as looks:
        async for _ in looks:
            try:
                if await run_sync(changes.head) > catalogue.position:
                    # It must not wait behind a queue of questions about the catalogue of before.
                    await batcher.exclusive(catalogue.catch_up, first=True)
            except (SQLAlchemyError, GenrecError) as error:
                log("changes_wait", logging.WARNING, **describe_fault(error))
