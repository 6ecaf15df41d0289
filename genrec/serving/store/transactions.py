"""Transactions that wait for each other: in PostgreSQL by advisory locks, in SQLite one by one.

Numbers are given when a row is added, and seen when its transaction ends, which may be in another
order. Who reads "all up to number 7" must know that no 6 is still to come: it takes a lock alone
that everybody who adds rows holds together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from sqlalchemy import Connection, Engine, text


class Lock(IntEnum):
    """What a transaction holds; the numbers are PostgreSQL's names for them."""

    MIGRATION = 7_267_736
    EVENTS = 7_267_737
    CHANGES = 7_267_738


@contextmanager
def transaction(engine: Engine, lock: Lock, together: bool = False) -> Iterator[Connection]:
    """Begin a transaction that holds a lock, commit at the end.

    Args:
        engine: Of the store.
        lock: What to hold.
        together: Whether others may hold it so too; else it is held alone.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            take = "pg_advisory_xact_lock_shared" if together else "pg_advisory_xact_lock"
            connection.execute(text(f"SELECT {take}({int(lock)})"))
        else:
            # A transaction that begins by reading could not write after another one has written.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
