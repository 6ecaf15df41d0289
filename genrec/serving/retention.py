"""What a store keeps no longer than it is to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from genrec.serving.monitoring import describe_fault, log

SWEEP_S = 3600
DAY_S = 86_400

Prune = Callable[[int, int], int]
"""Deletes what is older than so many seconds (the second) at a moment (the first); how much."""


async def keep_sweeping(
    parts: Sequence[tuple[Prune, int]], clock: Callable[[], float], every_s: float = SWEEP_S
) -> None:
    """Delete what is too old, now and every hour, until cancelled.

    Args:
        parts: What prunes a part of the store, and after how many days; 0: never.
        clock: Tells the time, seconds.
        every_s: Seconds between two sweeps.
    """
    while True:
        for prune, days in parts:
            try:
                if days:
                    await run_sync(prune, int(clock()), days * DAY_S)
            except SQLAlchemyError as error:
                log("not_swept", logging.WARNING, **describe_fault(error))
        await asyncio.sleep(every_s)
