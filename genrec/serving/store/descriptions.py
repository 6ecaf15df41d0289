"""What users say of themselves, in their own words. Knows nothing of what it does."""

from __future__ import annotations

from sqlalchemy import Engine

from genrec.serving.store.tables import DESCRIPTIONS, upsert
from genrec.serving.store.transactions import Lock, transaction


class DescriptionStore:
    """Keeps descriptions; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, user_id: str, about: str, time: int) -> None:
        """Store what a user says in place of what was said before; empty: take that back.

        Args:
            user_id: External ID; of somebody with events or without.
            about: In their own words.
            time: Now, seconds.
        """
        said = {"about": about, "time": time}
        statement = upsert(self._engine, DESCRIPTIONS).values(user_id=user_id, **said)
        with transaction(self._engine, Lock.EVENTS, together=True) as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["user_id"], set_=said)
            )
