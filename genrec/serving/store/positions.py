"""How far a reader of the store has come, and what came since; nothing is read twice or missed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, or_, select, text

from genrec.serving.store.changes import Change
from genrec.serving.store.items import ITEM_KIND, StoredItem
from genrec.serving.store.tables import (
    CHANGES,
    DESCRIPTIONS,
    EVENTS,
    FORGOTTEN,
    PREFERENCES,
    STORE,
)
from genrec.serving.store.transactions import Lock, transaction

POSITION = "store"
"""Setting of an artifact that was made from a store: its ``Position`` there."""
BATCH_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a store.

    Attributes:
        store_id: Which store.
        events: Number of the last event.
        changes: Number of the last change.
    """

    store_id: str
    events: int = 0
    changes: int = 0

    @classmethod
    def of(cls, settings: Mapping[str, Any], store_id: str) -> Position:
        """Return how far in a store the settings of an artifact say it goes; none: its start."""
        known = settings.get(POSITION) or {}
        return cls(**known) if known.get("store_id") == store_id else cls(store_id)


def read_store_id(engine: Engine) -> str:
    """Return the ID of a store, by which it is known under any URL."""
    with engine.connect() as connection:
        return str(connection.scalar(select(STORE.c.store_id)))


@contextmanager
def reading(engine: Engine, since: Position) -> Iterator[StoreView]:
    """Look at the store as it is at one moment, however long that takes.

    Events may go on coming. All that had come is seen whole: events that were being added are
    waited for, and who is forgotten later is forgotten for the next look.

    Args:
        engine: Of a store that is up to date.
        since: What is known already.
    """
    with transaction(engine, Lock.EVENTS) as connection:
        last = connection.scalar(select(func.max(EVENTS.c.number))) or 0
    with engine.connect() as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        else:
            connection.exec_driver_sql("BEGIN")
        changed = connection.scalar(select(func.max(CHANGES.c.number))) or 0
        # Forgetting may take the last events away; their numbers are not given again.
        upto = Position(since.store_id, max(last, since.events), changed)
        yield StoreView(connection, since, upto)


@dataclass(frozen=True)
class StoreView:
    """The store at one moment.

    Attributes:
        since: What was known before.
        upto: What is known after.
    """

    _connection: Connection
    since: Position
    upto: Position

    def forgotten(self) -> frozenset[str]:
        """Return the hashes of all users who were forgotten; see ``hash_user``."""
        return frozenset(self._connection.scalars(select(FORGOTTEN.c.user_hash)))

    def preferences(self) -> dict[str, list[dict[str, Any]]]:
        """Return what each user says of their own profile, as it was written."""
        rows = self._connection.execute(select(PREFERENCES).order_by(PREFERENCES.c.user_id))
        return {row.user_id: row.preferences for row in rows}

    def descriptions(self) -> dict[str, str]:
        """Return what each user says of themselves; empty: what was said before is taken back."""
        rows = self._connection.execute(select(DESCRIPTIONS).order_by(DESCRIPTIONS.c.user_id))
        return {row.user_id: row.about for row in rows}

    def events(self, again: Collection[str] = ()) -> Iterator[list[dict[str, Any]]]:
        """Yield what came since as batches of rows by our column names, in order of arrival.

        Args:
            again: Users of whom all events are wanted.
        """
        number = EVENTS.c.number
        wanted = or_(number > self.since.events, EVENTS.c.user_id.in_(again))
        rows = select(EVENTS).where(number <= self.upto.events, wanted).order_by(number)
        found = self._connection.execution_options(yield_per=BATCH_ROWS).execute(rows)
        for batch in found.mappings().partitions():
            yield [dict(row) for row in batch]

    def items(self) -> list[StoredItem]:
        """Return the items that were added or changed since, in the order in which they came."""
        columns = (CHANGES.c[name] for name in ("kind", "subject", "body", "number", "first"))
        later = (CHANGES.c.number > self.since.changes) & (CHANGES.c.number <= self.upto.changes)
        rows = select(*columns).where(later, CHANGES.c.kind == ITEM_KIND)
        found = self._connection.execute(rows.order_by(CHANGES.c.first))
        return [StoredItem.from_change(Change(*row)) for row in found]
