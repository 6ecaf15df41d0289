"""Events as they were posted, and who asked to be forgotten. Knows nothing of the model.

An event is acknowledged when its transaction is committed, so it survives what comes after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from genrec.schema import Event
from genrec.serving.store.tables import EVENTS, FORGOTTEN

_FIELDS = ("user_id", "item_id", "timestamp", "event_type", "rating", "title", "review")
_EVENT_COLUMNS = [EVENTS.c[name] for name in _FIELDS]
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with the ID it was posted under, if it had one."""

    event: Event
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """What the store knows of a user.

    Attributes:
        events: The newest, oldest first; of equal times the first to arrive first.
        older_items: Items of events older than these.
        forgotten: Whether the user was deleted once: what was known before must not be read.
    """

    events: tuple[StoredEvent, ...]
    older_items: frozenset[str]
    forgotten: bool


class EventStore:
    """Keeps events; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, events: Sequence[StoredEvent]) -> int:
        """Store events, all or none; those whose ID is stored already are passed over.

        Returns:
            How many were new.
        """
        rows = [
            {"event_id": stored.event_id, **{name: getattr(stored.event, name) for name in _FIELDS}}
            for stored in _first_of_each_id(events)
        ]
        if not rows:
            return 0
        insert = _INSERT[self._engine.dialect.name]
        statement = insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"])
        with self._engine.begin() as connection:
            added = connection.execute(statement.returning(EVENTS.c.number), rows)
            return len(added.all())

    def history(self, user_id: str, limit: int) -> StoredHistory:
        """Return a user's newest ``limit`` events and the items of those before."""
        newest = (
            select(EVENTS.c.event_id, *_EVENT_COLUMNS)
            .where(EVENTS.c.user_id == user_id)
            .order_by(EVENTS.c.timestamp.desc(), EVENTS.c.number.desc())
        )
        with self._engine.connect() as connection:
            rows = connection.execute(newest.limit(limit + 1)).all()
            older: frozenset[str] = frozenset()
            if len(rows) > limit:
                older = frozenset(
                    row.item_id for row in connection.execute(newest.offset(limit)).all()
                )
            was_deleted = select(FORGOTTEN).where(FORGOTTEN.c.user_hash == _hash(user_id))
            forgotten = connection.execute(was_deleted).first() is not None
        events = tuple(StoredEvent(Event(*row[1:]), row[0]) for row in reversed(rows[:limit]))
        return StoredHistory(events, older, forgotten)

    def counts(self, user_ids: Collection[str]) -> dict[str, int]:
        """Return how many events are stored for each of these users, where there are any."""
        counted = select(EVENTS.c.user_id, func.count()).group_by(EVENTS.c.user_id)
        with self._engine.connect() as connection:
            rows = connection.execute(counted.where(EVENTS.c.user_id.in_(user_ids)))
            return {row[0]: row[1] for row in rows}

    def users(self, query: str, limit: int) -> dict[str, int]:
        """Return the first users, in the order of their IDs, whose ID contains a text."""
        statement = select(EVENTS.c.user_id, func.count().label("events"))
        if query:
            statement = statement.where(
                func.lower(EVENTS.c.user_id).contains(query.lower(), autoescape=True)
            )
        statement = statement.group_by(EVENTS.c.user_id).order_by(EVENTS.c.user_id).limit(limit)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(statement)}

    def forget(self, user_id: str) -> None:
        """Delete a user's events, and note that nothing of before may be read again."""
        insert = _INSERT[self._engine.dialect.name]
        note = insert(FORGOTTEN).values(user_hash=_hash(user_id)).on_conflict_do_nothing()
        with self._engine.begin() as connection:
            connection.execute(delete(EVENTS).where(EVENTS.c.user_id == user_id))
            connection.execute(note)

    def forgotten(self, user_ids: Collection[str]) -> set[str]:
        """Return which of these users were deleted."""
        by_hash = {_hash(user_id): user_id for user_id in user_ids}
        statement = select(FORGOTTEN.c.user_hash).where(FORGOTTEN.c.user_hash.in_(by_hash))
        with self._engine.connect() as connection:
            return {by_hash[row[0]] for row in connection.execute(statement)}


def _hash(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()


def _first_of_each_id(events: Iterable[StoredEvent]) -> list[StoredEvent]:
    """Drop events that repeat an ID of the same batch."""
    seen: set[str] = set()
    kept = []
    for stored in events:
        if stored.event_id is not None:
            if stored.event_id in seen:
                continue
            seen.add(stored.event_id)
        kept.append(stored)
    return kept
