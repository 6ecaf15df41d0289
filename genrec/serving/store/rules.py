"""Named rules: each change is a version that stays. Knows nothing of what they say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, func, insert, select
from sqlalchemy.exc import IntegrityError

from genrec.serving.store.tables import RULES

ATTEMPTS = 5
"""Other gateways may take the next version first."""


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


class RuleStore:
    """Keeps rules; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, name: str, rule: Mapping[str, Any] | None, always: bool) -> StoredRule:
        """Store a rule's next version, None to delete it; what says the same is the same version.

        Raises:
            IntegrityError: Other gateways kept storing versions of this rule.
        """
        attempt = 1
        while True:
            current = self.get(name)
            if current is not None and (current.rule, current.always) == (rule, always):
                return current
            version = 1 if current is None else current.version + 1
            stored = StoredRule(name, version, rule, always, int(time.time()))
            values = {each: getattr(stored, each) for each in _FIELDS}
            try:
                with self._engine.begin() as connection:
                    connection.execute(insert(RULES).values(values))
                return stored
            except IntegrityError:
                if attempt == ATTEMPTS:
                    raise
                attempt += 1

    def get(self, name: str, version: int | None = None) -> StoredRule | None:
        """Return a version of a rule, the newest where none is given; None: there is none."""
        statement = select(RULES).where(RULES.c.name == name).order_by(RULES.c.version.desc())
        if version is not None:
            statement = statement.where(RULES.c.version == version)
        with self._engine.connect() as connection:
            row = connection.execute(statement.limit(1)).first()
            return None if row is None else _from_row(row)

    def current(self) -> list[StoredRule]:
        """Return the newest version of each rule that is not deleted, by name."""
        newest = (
            select(RULES.c.name, func.max(RULES.c.version).label("version"))
            .group_by(RULES.c.name)
            .subquery()
        )
        is_newest = (RULES.c.name == newest.c.name) & (RULES.c.version == newest.c.version)
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(RULES).join(newest, is_newest).order_by(RULES.c.name)
            ).all()
        stored = [_from_row(row) for row in rows]
        return [each for each in stored if each.rule is not None]


_FIELDS = ("name", "version", "rule", "always", "time")


def _from_row(row: Row[Any]) -> StoredRule:
    return StoredRule(*(getattr(row, name) for name in _FIELDS))
