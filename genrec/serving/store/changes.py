"""What gateways on one store tell each other, in one order. Knows nothing of what is told.

A change states all that holds of its subject from now on, so only the last one of a subject is
kept: a gateway that was away reads what it missed in one go, and the log never outgrows what it
speaks of. Numbers rise by order of commit. A change is added only by who knows all earlier ones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import Engine, Insert, delete, func, insert, select, text, tuple_

from genrec.serving.store.connect import CONNECT_TIMEOUT_S
from genrec.serving.store.tables import CHANGES
from genrec.serving.store.transactions import Lock, transaction

CHANNEL = "genrec_changes"


@dataclass(frozen=True, slots=True)
class Change:
    """What holds of a subject.

    Attributes:
        kind: What the subject is, such as "item".
        subject: Its ID.
        body: All that holds of it from now on; plain JSON.
        number: Place in the log; 0: not yet there.
        first: Number of the first change that this subject had.
    """

    kind: str
    subject: str
    body: Mapping[str, Any]
    number: int = 0
    first: int = 0


class ChangeLog:
    """The log; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """Take the store, and what tells the time in seconds."""
        self._engine = engine
        self._clock = clock

    def head(self) -> int:
        """Return the number of the last change, 0 where there is none."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.max(CHANGES.c.number))) or 0

    def read(self, after: int, kind: str | None = None) -> list[Change]:
        """Return the changes that come after a number, of one kind or of all, in order."""
        columns = (CHANGES.c[name] for name in ("kind", "subject", "body", "number", "first"))
        later = select(*columns).where(CHANGES.c.number > after).order_by(CHANGES.c.number)
        if kind is not None:
            later = later.where(CHANGES.c.kind == kind)
        with self._engine.connect() as connection:
            return [Change(*row) for row in connection.execute(later)]

    def append(
        self, changes: Sequence[Change], after: int, beside: Sequence[Insert] = ()
    ) -> list[Change] | None:
        """Add changes, all or none, and wake who waits in ``watch``.

        Args:
            changes: Each of another subject.
            after: The last change that the caller knows.
            beside: Rows of other tables that are stored with them, or not at all.

        Returns:
            The changes with their numbers; None where others came after that one: read them first.
        """
        with transaction(self._engine, Lock.CHANGES) as connection:
            if (connection.scalar(select(func.max(CHANGES.c.number))) or 0) != after:
                return None
            subjects = [(change.kind, change.subject) for change in changes]
            same = tuple_(CHANGES.c.kind, CHANGES.c.subject).in_(subjects)
            known = select(CHANGES.c.kind, CHANGES.c.subject, CHANGES.c.first).where(same)
            first = {(row[0], row[1]): row[2] for row in connection.execute(known)}
            connection.execute(delete(CHANGES).where(same))
            added = [
                Change(
                    change.kind,
                    change.subject,
                    change.body,
                    number,
                    first.get((change.kind, change.subject), number),
                )
                for number, change in enumerate(changes, after + 1)
            ]
            if added:
                rows = [_to_row(change, int(self._clock())) for change in added]
                connection.execute(insert(CHANGES), rows)
            for row in beside:
                connection.execute(row)
            if added and self._engine.dialect.name == "postgresql":
                connection.execute(text(f"NOTIFY {CHANNEL}"))
        return added

    async def watch(self, poll_s: float) -> AsyncGenerator[None]:
        """Yield whenever there may be something new: when told, and every ``poll_s`` at least.

        PostgreSQL tells; in SQLite, and while PostgreSQL does not answer, only time does.
        """
        url = self._engine.url.set(drivername="postgresql")
        while True:
            if self._engine.dialect.name == "postgresql":
                with suppress(psycopg.OperationalError):
                    async with await psycopg.AsyncConnection.connect(
                        url.render_as_string(hide_password=False),
                        autocommit=True,
                        connect_timeout=CONNECT_TIMEOUT_S,
                    ) as connection:
                        await connection.execute(f"LISTEN {CHANNEL}")
                        while True:
                            yield
                            async for _ in connection.notifies(timeout=poll_s, stop_after=1):
                                pass
            yield
            await asyncio.sleep(poll_s)


def _to_row(change: Change, now: int) -> dict[str, object]:
    return {
        "number": change.number,
        "first": change.first,
        "kind": change.kind,
        "subject": change.subject,
        "body": dict(change.body),
        "time": now,
    }
