"""Who asked to be forgotten, by the hash of their ID: nothing else of them stays."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

from sqlalchemy import Connection, select

from genrec.serving.store.tables import FORGOTTEN


def hash_user(user_id: str) -> str:
    """Return what a forgotten user is known by."""
    return hashlib.sha256(user_id.encode()).hexdigest()


def times_forgotten(connection: Connection, user_ids: Collection[str]) -> dict[str, int]:
    """Return how often each of these users was forgotten; those who never were are left out."""
    by_hash = {hash_user(user_id): user_id for user_id in user_ids}
    wanted = select(FORGOTTEN).where(FORGOTTEN.c.user_hash.in_(by_hash))
    return {by_hash[row.user_hash]: row.times for row in connection.execute(wanted)}
