"""Rows that are too old to be kept."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Engine, delete, func, select

from genrec.serving.store.transactions import Lock, transaction


def prune(engine: Engine, time: Column[Any], now: int, keep_s: int) -> int:
    """Delete the rows of a table that are older than ``keep_s``.

    They must be so by this clock and by the newest row: one clock that jumps ahead deletes nothing.

    Args:
        engine: Of the store.
        time: Column of the table that says when, seconds.
        now: This moment, seconds.
        keep_s: How long rows are kept, seconds.

    Returns:
        How many.
    """
    with transaction(engine, Lock.EVENTS, together=True) as connection:
        last = connection.scalar(select(func.max(time)))
        if last is None:
            return 0
        old = time < min(now, last) - keep_s
        return connection.execute(delete(time.table).where(old)).rowcount
