"""Transactions that wait for each other: in PostgreSQL by advisory locks, in SQLite one by one.

Numbers are given when a row is added, and seen when its transaction ends, which may be in another
order. Who reads "all up to number 7" must know that no 6 is still to come: it takes a lock alone
that everybody who adds rows holds together.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, text


class Lock(IntEnum):
    """What a transaction holds; the numbers are PostgreSQL's names for them."""

    MIGRATION = 7_267_736
    EVENTS = 7_267_737
    CHANGES = 7_267_738
    UPDATE = 7_267_739


@contextmanager
def alone(engine: Engine, lock: Lock) -> Iterator[bool]:
    """Hold a lock for as long as something takes; yield whether nobody else held it.

    It goes with the process that holds it, however that ends: in PostgreSQL it is the session's,
    beside a file of SQLite it is that of another file.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            taken = connection.scalar(text(f"SELECT pg_try_advisory_lock({int(lock)})"))
            try:
                yield bool(taken)
            finally:
                if taken:
                    connection.execute(text(f"SELECT pg_advisory_unlock({int(lock)})"))
        return
    # Two locks of one process must shut each other out too, hence not a singleton.
    file = FileLock(f"{engine.url.database}.{lock.name.lower()}.lock", is_singleton=False)
    try:
        file.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        file.release()


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
