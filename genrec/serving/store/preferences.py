"""What users say of their own profile, as they said it. Knows nothing of what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, delete

from genrec.serving.store.forgotten import times_forgotten
from genrec.serving.store.tables import PREFERENCES, upsert
from genrec.serving.store.transactions import Lock, transaction


@dataclass(frozen=True, slots=True)
class StoredPreferences:
    """What a user said.

    Attributes:
        user_id: External ID.
        preferences: In their order, as they were written.
        time: When they were stored, seconds.
    """

    user_id: str
    preferences: Sequence[Mapping[str, Any]]
    time: int


class PreferenceStore:
    """Keeps preferences, which ``EventStore.history`` reads; any thread may call every method."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, said: StoredPreferences, forgotten: int) -> bool:
        """Store a user's preferences in place of those before.

        Args:
            said: What to store.
            forgotten: How often the user had been deleted when they were known to exist.

        Returns:
            False where the user was deleted meanwhile: nothing is stored then.
        """
        values = {"user_id": said.user_id, "preferences": list(said.preferences), "time": said.time}
        statement = upsert(self._engine, PREFERENCES).values(values)
        with transaction(self._engine, Lock.EVENTS, together=True) as connection:
            if times_forgotten(connection, [said.user_id]).get(said.user_id, 0) != forgotten:
                return False
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["user_id"],
                    set_={name: values[name] for name in ("preferences", "time")},
                )
            )
        return True

    def delete(self, user_id: str) -> bool:
        """Take back all that a user said; return whether there was anything."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(PREFERENCES).where(PREFERENCES.c.user_id == user_id))
        return gone.rowcount > 0
