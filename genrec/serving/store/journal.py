"""What a run serves: the log says what holds now, and the journal every decision that led there.

An entry that puts something into force is stored with its change of the log or not at all, and
names the entry that was in force until then, so that it can be rolled back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Engine, Row, insert, select

from genrec.serving.errors import Conflict
from genrec.serving.store.changes import Change, ChangeLog
from genrec.serving.store.tables import JOURNAL

PROMOTION_KIND = "promotion"
Verdict = Literal["promoted", "kept", "nothing new", "rolled back"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision.

    Attributes:
        run: Content hash of the run that it is about.
        who: Who decided.
        decision: "promoted" and "rolled back" put ``path`` into force, the others nothing.
        reason: Why, for people.
        path: Of the adapter, relative to the folder of adapters, or absolute; None: the run as it
            was trained.
        content_hash: Of that adapter.
        figures: What was measured, and on which data; plain JSON.
        time: Seconds.
        change: Number of its change in the log; None: it put nothing into force.
        before: Number of the change that was in force until then, 0 for the run as it was
            trained; None: there is nothing to go back to.
    """

    run: str
    who: str
    decision: Verdict
    reason: str
    path: str | None = None
    content_hash: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    time: int = 0
    change: int | None = None
    before: int | None = None


class Journal:
    """Decisions by run; every method may be called from any thread."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """Take the store, and what tells the time in seconds."""
        self._engine = engine
        self._clock = clock
        self._log = ChangeLog(engine, clock)

    def head(self) -> int:
        """Return the number of the last change of the log, of whatever kind."""
        return self._log.head()

    def entries(self, run: str, limit: int = 100) -> list[Entry]:
        """Return the newest decisions about a run, newest first."""
        rows = select(JOURNAL).where(JOURNAL.c.run == run).order_by(JOURNAL.c.number.desc())
        with self._engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(rows.limit(limit))]

    def in_force(self, run: str) -> Entry | None:
        """Return the decision that a run serves by; None: none was ever made."""
        changes = self._log.read(0, PROMOTION_KIND)
        number = next((one.number for one in changes if one.subject == run), None)
        return None if number is None else self._entry(number)

    def note(self, entry: Entry) -> Entry:
        """Keep a decision that puts nothing into force; return it with its time."""
        entry = self._now(entry)
        with self._engine.begin() as connection:
            connection.execute(insert(JOURNAL).values(_to_row(entry)))
        return entry

    def promote(self, entry: Entry) -> Entry:
        """Put an adapter into force, on every gateway that serves the run."""
        while True:
            after, current = self._log.head(), self.in_force(entry.run)
            before = 0 if current is None else current.change
            done = self._put(replace(entry, before=before), after)
            if done is not None:
                return done

    def roll_back(self, run: str, who: str) -> Entry:
        """Put what was in force before the last promotion into force again.

        Raises:
            Conflict: The run serves what it was trained to.
        """
        while True:
            after, current = self._log.head(), self.in_force(run)
            if current is None or current.before is None:
                raise Conflict(
                    "nothing_to_roll_back", "no promotion is in force: the run serves as trained"
                )
            target = self._entry(current.before) if current.before else Entry(run, who, "kept", "")
            reason = f"{current.path} was taken back; {target.path or 'the run itself'} serves"
            entry = Entry(
                *(run, who, "rolled back", reason, target.path, target.content_hash),
                before=target.before,
            )
            if (done := self._put(entry, after)) is not None:
                return done

    def _put(self, entry: Entry, after: int) -> Entry | None:
        entry = replace(self._now(entry), change=after + 1)
        body = {"path": entry.path, "content_hash": entry.content_hash}
        row = insert(JOURNAL).values(_to_row(entry))
        change = Change(PROMOTION_KIND, entry.run, body)
        return None if self._log.append([change], after, [row]) is None else entry

    def _now(self, entry: Entry) -> Entry:
        return replace(entry, time=int(self._clock()))

    def _entry(self, change: int) -> Entry:
        with self._engine.connect() as connection:
            row = connection.execute(select(JOURNAL).where(JOURNAL.c.change == change)).one()
        return _from_row(row)


def _to_row(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__slots__}


def _from_row(row: Row[Any]) -> Entry:
    return Entry(**{name: getattr(row, name) for name in Entry.__slots__})
