"""Named rules: each change is a version that stays, and the log says which hold now."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, func, insert, select

from genrec.serving.store.changes import Change, ChangeLog
from genrec.serving.store.tables import CHANGES, RULES

RULE_KIND = "rule"


@dataclass(frozen=True, slots=True)
class StoredRule:
    """One version of a rule.

    Attributes:
        name: Of the rule.
        version: From 1.
        rule: What it says; None: with this version it was deleted.
        always: Whether it holds for every request.
        time: When it was stored, seconds.
    """

    name: str
    version: int
    rule: Mapping[str, Any] | None
    always: bool
    time: int

    @classmethod
    def from_change(cls, change: Change) -> StoredRule:
        """Read what the log holds."""
        return cls(change.subject, **change.body)

    def to_change(self) -> Change:
        """Return what the log is to hold."""
        body = {name: getattr(self, name) for name in _FIELDS if name != "name"}
        return Change(RULE_KIND, self.name, body)


class RuleStore:
    """Keeps rules; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        """Take the store, and what tells the time in seconds."""
        self._engine = engine
        self._clock = clock
        self._log = ChangeLog(engine, clock)

    def put(
        self, name: str, rule: Mapping[str, Any] | None, always: bool, after: int
    ) -> StoredRule | None:
        """Store a rule's next version, None to delete it; what says the same is the same version.

        Args:
            name: Of the rule.
            rule: What it says.
            always: Whether it holds for every request.
            after: The last change of the log that the caller knows.

        Returns:
            None where others came after that one: read them first.
        """
        current = self.get(name)
        if current is not None and (current.rule, current.always) == (rule, always):
            return current
        version = 1 if current is None else current.version + 1
        stored = StoredRule(name, version, rule, always, int(self._clock()))
        values = {each: getattr(stored, each) for each in _FIELDS}
        row = insert(RULES).values(values)
        added = self._log.append([stored.to_change()], after, [row])
        return None if added is None else stored

    def get(self, name: str, version: int | None = None) -> StoredRule | None:
        """Return a version of a rule, the newest where none is given; None: there is none."""
        statement = select(RULES).where(RULES.c.name == name).order_by(RULES.c.version.desc())
        if version is not None:
            statement = statement.where(RULES.c.version == version)
        with self._engine.connect() as connection:
            row = connection.execute(statement.limit(1)).first()
            return None if row is None else _from_row(row)

    def versions(self) -> list[StoredRule]:
        """Return every version of every rule, oldest first.

        The last ones of the rules stand as in the log, also where they are of one second: else a
        gateway and who judges its experiments could take another rule for the newest.
        """
        is_last = (CHANGES.c.kind == RULE_KIND) & (CHANGES.c.subject == RULES.c.name)
        every = select(RULES).outerjoin(CHANGES, is_last)
        order = (RULES.c.time, func.coalesce(CHANGES.c.number, 0), RULES.c.name, RULES.c.version)
        with self._engine.connect() as connection:
            return [_from_row(row) for row in connection.execute(every.order_by(*order))]

    def read(self, after: int) -> tuple[list[StoredRule], int]:
        """Return the rules that changed after a place in the log, and how far this goes."""
        head = self._log.head()
        return [StoredRule.from_change(one) for one in self._log.read(after, RULE_KIND)], head


_FIELDS = ("name", "version", "rule", "always", "time")


def _from_row(row: Row[Any]) -> StoredRule:
    return StoredRule(*(getattr(row, name) for name in _FIELDS))
