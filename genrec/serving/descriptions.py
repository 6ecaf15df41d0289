"""What users say of themselves: cleaned, kept in the store, known from the next request on."""

from __future__ import annotations

from collections.abc import Callable

from anyio.to_thread import run_sync

from genrec.data.clean import clean_about
from genrec.errors import DataError
from genrec.serving.errors import NotFound, quote
from genrec.serving.store import DescriptionStore


class UserDescriptions:
    """Stores descriptions; a history brings them to the model."""

    def __init__(self, store: DescriptionStore, now: Callable[[], int]) -> None:
        """Take the store, and what tells the time in seconds."""
        self._store = store
        self._now = now

    async def put(self, user_id: str, about: str) -> str:
        """Store what a user says, without addresses and long numbers; return what is kept.

        Raises:
            DataError: Nothing else is in it.
        """
        kept = clean_about(about)
        if kept is None:
            raise DataError(
                "about: nothing is left of it without addresses and long numbers; say what you "
                "like, or DELETE it"
            )
        await run_sync(self._store.put, user_id, kept, self._now())
        return kept

    async def delete(self, user_id: str, known: str | None) -> None:
        """Take back what a user says, that of the prepared data too.

        Args:
            user_id: Whose.
            known: What is known now.

        Raises:
            NotFound: There is nothing.
        """
        if known is None:
            raise NotFound("no_about", f"user {quote(user_id)} says nothing of themselves")
        await run_sync(self._store.put, user_id, "", self._now())
