"""Events as they were posted, and who asked to be forgotten. Knows nothing of the model.

An event is acknowledged when its transaction is committed, so it survives what comes after.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    collate,
    delete,
    func,
    or_,
    select,
)

from genrec.schema import SEARCH, Event, Search
from genrec.serving.store.connect import empty_journal
from genrec.serving.store.forgotten import hash_user, times_forgotten
from genrec.serving.store.impressions import attribute
from genrec.serving.store.preferences import StoredPreferences
from genrec.serving.store.pruning import prune
from genrec.serving.store.tables import (
    CHANGES,
    DESCRIPTIONS,
    EVENTS,
    FORGOTTEN,
    IMPRESSIONS,
    PREFERENCES,
    upsert,
)
from genrec.serving.store.transactions import Lock, transaction

DAY_S = 86_400
NO_LIMIT = 2**62
USERS_AT_ONCE = 10_000
"""Asked of in one statement."""
_FIELDS = ("user_id", "item_id", "timestamp", "event_type", "rating", "title", "review")
_EVENT_COLUMNS = [EVENTS.c[name] for name in _FIELDS]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it was posted.

    Attributes:
        event: What the user did; that of a search has an empty item ID.
        event_id: The ID it was posted under, if it had one.
        recommendation_id: The recommendation that it says it follows, if it does.
        text: What was searched for; None where the event is no search.
    """

    event: Event
    event_id: str | None = None
    recommendation_id: str | None = None
    text: str | None = None

    @classmethod
    def search(cls, user_id: str, search: Search, event_id: str | None = None) -> StoredEvent:
        """Return a search as it is stored."""
        event = Event(user_id, "", search.timestamp, SEARCH)
        return cls(event, event_id, text=search.text)


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """What the store knows of a user.

    Attributes:
        events: The newest, searches among them, oldest first; of equal times the first to arrive
            first.
        older_items: Items of events older than these.
        forgotten: How often the user was deleted: what was known before must not be read.
        preferences: Theirs; None: none are stored.
        about: What the user says of themselves; empty: what was said before is taken back; None:
            nothing.
        head: Number of the last change of the log, 0 where there is none.
    """

    events: tuple[StoredEvent, ...]
    older_items: frozenset[str]
    forgotten: int
    preferences: StoredPreferences | None
    about: str | None
    head: int


class Progress(NamedTuple):
    """How far a reader who follows the events has come.

    Attributes:
        event: Number of the last event.
        forgettings: How often anybody was forgotten.
    """

    event: int = 0
    forgettings: int = 0


class EventStore:
    """Keeps events; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine, attribution_s: int = DAY_S) -> None:
        """Take the engine, and for how long events follow a page that they do not name."""
        self._engine = engine
        self._attribution_s = attribution_s

    def add(self, events: Sequence[StoredEvent]) -> int:
        """Store events, all or none; those whose ID is stored already are passed over.

        Returns:
            How many were new.
        """
        unique = _first_of_each_id(events)
        if not unique:
            return 0
        statement = upsert(self._engine, EVENTS).on_conflict_do_nothing(index_elements=["event_id"])
        with transaction(self._engine, Lock.EVENTS, together=True) as connection:
            asked = ((stored.event, stored.recommendation_id) for stored in unique)
            followed = attribute(connection, asked, self._attribution_s)
            rows = [
                {
                    "event_id": stored.event_id,
                    "recommendation_id": name,
                    "text": stored.text,
                    **{field: getattr(stored.event, field) for field in _FIELDS},
                }
                for stored, name in zip(unique, followed, strict=True)
            ]
            added = connection.execute(statement.returning(EVENTS.c.number), rows)
            return len(added.all())

    def history(self, user_id: str, limit: int, after: int = 0) -> StoredHistory:
        """Return a user's newest ``limit`` events, the items of those before, and what was said.

        Args:
            user_id: External ID.
            limit: Most events.
            after: Number of the last event that is known from elsewhere; for a user who was
                deleted nothing is.
        """
        with self._engine.connect() as connection:
            known = _read_user(connection, user_id)
            of_user = {"user_id": user_id, "after": 0 if known.forgotten else after}
            rows = connection.execute(_NEWEST, {**of_user, "limit": limit + 1, "skip": 0}).all()
            older: frozenset[str] = frozenset()
            if len(rows) > limit:
                rest = {**of_user, "limit": NO_LIMIT, "skip": limit}
                later = connection.execute(_NEWEST, rest).all()
                older = frozenset(row.item_id for row in later if row.text is None)
        events = tuple(
            StoredEvent(Event(*event), event_id, text=text)
            for event_id, text, *event in reversed(rows[:limit])
        )
        return StoredHistory(
            events, older, known.forgotten, known.preferences, known.about, known.head
        )

    def counts(self, user_ids: Collection[str], after: int = 0) -> dict[str, int]:
        """Return how many events ``history`` knows of each of these users, where there are any.

        Searches count.
        """
        counted = select(EVENTS.c.user_id, func.count()).group_by(EVENTS.c.user_id)
        with self._engine.connect() as connection:
            forgotten = times_forgotten(connection, user_ids)
            known = or_(EVENTS.c.number > after, EVENTS.c.user_id.in_(forgotten))
            rows = connection.execute(counted.where(EVENTS.c.user_id.in_(user_ids), known))
            return {row[0]: row[1] for row in rows}

    def users(self, query: str, limit: int) -> dict[str, int]:
        """Return the first users, in the order of their IDs, whose ID contains a text."""
        statement = select(EVENTS.c.user_id, func.count().label("events"))
        if query:
            name: ColumnElement[str] = EVENTS.c.user_id
            if self._engine.dialect.name == "postgresql":
                # Its own rules for letters are the server's, which may know those of ASCII alone.
                name = collate(name, "und-x-icu")
            statement = statement.where(func.lower(name).contains(query.lower(), autoescape=True))
        statement = statement.group_by(EVENTS.c.user_id).order_by(EVENTS.c.user_id).limit(limit)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(statement)}

    def between(self, since: int, until: int) -> list[StoredEvent]:
        """Return the events of ``since <= timestamp < until``, without words and searches."""
        names = ("user_id", "item_id", "timestamp", "event_type")
        columns = [EVENTS.c[name] for name in (*names, "recommendation_id")]
        time = EVENTS.c.timestamp
        wanted = select(*columns).where(time >= since, time < until, EVENTS.c.text.is_(None))
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(EVENTS.c.number))
            return [StoredEvent(Event(*row[:4]), None, row[4]) for row in rows]

    def news(self, since: Progress) -> tuple[Progress, set[str]]:
        """Return how far the store has come, and who has new events since.

        Args:
            since: What this returned before.
        """
        newest = select(func.max(EVENTS.c.number))
        with self._engine.connect() as connection:
            last, forgettings = connection.scalar(newest) or 0, _forgettings(connection)
        if last <= since.event and forgettings == since.forgettings:
            return since, set()
        # Alone: of events that are being added none may have a lower number.
        with transaction(self._engine, Lock.EVENTS) as connection:
            last, forgettings = connection.scalar(newest) or 0, _forgettings(connection)
            who = select(EVENTS.c.user_id).distinct().where(EVENTS.c.number > since.event)
            users = set(connection.scalars(who))
        # Forgetting may take the last events away; their numbers are not given again.
        return Progress(max(last, since.event), forgettings), users

    def prune(self, now: int, keep_s: int) -> int:
        """Delete events that are older than ``keep_s``, see ``pruning.prune``; return how many."""
        return prune(self._engine, EVENTS.c.timestamp, now, keep_s)

    def forget(self, user_id: str, is_known_elsewhere: bool = True) -> bool:
        """Delete all that is kept of a user; nothing of before may be read.

        Args:
            user_id: External ID.
            is_known_elsewhere: Whether the user is noted as deleted even if nothing is kept here.

        Returns:
            Whether there was such a user.
        """
        note = upsert(self._engine, FORGOTTEN).values(user_hash=hash_user(user_id), times=1)
        once_more = {"times": FORGOTTEN.c.times + 1}
        # Alone: an answer or an event that is being stored now comes wholly before or after.
        with transaction(self._engine, Lock.EVENTS) as connection:
            deleted = [
                connection.execute(delete(table).where(table.c.user_id == user_id)).rowcount
                for table in (EVENTS, IMPRESSIONS, PREFERENCES, DESCRIPTIONS)
            ]
            if not any(deleted) and not is_known_elsewhere:
                return False
            connection.execute(
                note.on_conflict_do_update(index_elements=["user_hash"], set_=once_more)
            )
        empty_journal(self._engine)
        return True

    def forgettings(self) -> int:
        """Return how often anybody was deleted."""
        with self._engine.connect() as connection:
            return _forgettings(connection)

    def forgotten(self, user_ids: Iterable[str]) -> set[str]:
        """Return which of these users were deleted."""
        asked, forgotten = list(user_ids), set[str]()
        with self._engine.connect() as connection:
            for start in range(0, len(asked), USERS_AT_ONCE):
                some = asked[start : start + USERS_AT_ONCE]
                forgotten |= times_forgotten(connection, some).keys()
        return forgotten


def _forgettings(connection: Connection) -> int:
    return connection.scalar(select(func.sum(FORGOTTEN.c.times))) or 0


class _User(NamedTuple):
    """What the store holds of a user beside events, and the head of the change log."""

    head: int
    forgotten: int
    preferences: StoredPreferences | None
    about: str | None


# Built once: to build a statement takes as long as to carry it out.
_OF_USER = select(
    select(func.max(CHANGES.c.number)).scalar_subquery(),
    select(FORGOTTEN.c.times)
    .where(FORGOTTEN.c.user_hash == bindparam("user_hash"))
    .scalar_subquery(),
    *(
        select(column).where(column.table.c.user_id == bindparam("user_id")).scalar_subquery()
        for column in (PREFERENCES.c.preferences, PREFERENCES.c.time, DESCRIPTIONS.c.about)
    ),
)
_NEWEST = (
    select(EVENTS.c.event_id, EVENTS.c.text, *_EVENT_COLUMNS)
    .where(EVENTS.c.user_id == bindparam("user_id"), EVENTS.c.number > bindparam("after"))
    .order_by(EVENTS.c.timestamp.desc(), EVENTS.c.number.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("skip"))
)


def _read_user(connection: Connection, user_id: str) -> _User:
    """Read all of it in one go."""
    asked = {"user_id": user_id, "user_hash": hash_user(user_id)}
    head, forgotten, preferences, time, said = connection.execute(_OF_USER, asked).one()
    stored = None if time is None else StoredPreferences(user_id, preferences, time)
    return _User(head or 0, forgotten or 0, stored, said)


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
