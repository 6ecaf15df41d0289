"""What users say of their own profiles: kept in the store, and brought to the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyio.to_thread import run_sync

from genrec.base_recommender import BaseRecommender
from genrec.errors import DataError
from genrec.preferences import Steering, read_preferences
from genrec.preferences.receipts import Receipt
from genrec.serving.errors import NotFound, ServiceError, quote
from genrec.serving.histories import LiveHistory
from genrec.serving.store import PreferenceStore, StoredPreferences

Written = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Profile:
    """What is known of a user.

    Attributes:
        stored: What the user said; None: nothing.
        lost: Messages about wishes that are passed over, since what they are about is gone.
        receipts: Of the interests.
    """

    stored: StoredPreferences | None
    lost: Sequence[str]
    receipts: Sequence[Receipt]


class UserPreferences:
    """Stores preferences and makes steerings of them."""

    def __init__(
        self,
        store: PreferenceStore,
        recommender: Callable[[], BaseRecommender],
        clock: Callable[[], float],
    ) -> None:
        """Take where they are kept, whose items they are about, and what tells the time."""
        self._store = store
        self._recommender = recommender
        self._clock = clock

    async def put(self, live: LiveHistory, written: Written) -> None:
        """Store a user's preferences in place of those before; heeded from the next request on.

        Args:
            live: Of the user.
            written: In the language of ``genrec.preferences``.

        Raises:
            DataError: One cannot be read, is about what does not exist, or contradicts another.
            NotFound: A gift is no event of the user, or the user was deleted meanwhile.
            ServiceError: The model that is served cannot be steered so.
        """
        user_id = live.history.user_id
        steering = await run_sync(self._recommender().steering, written)
        self._check(steering, live)
        said = StoredPreferences(user_id, written, int(self._clock()))
        if not await run_sync(self._store.put, said, live.forgotten):
            raise NotFound("unknown_user", f"user {quote(user_id)} was deleted; nothing is stored")

    async def delete(self, user_id: str) -> None:
        """Take back all that a user said.

        Raises:
            NotFound: There is nothing.
        """
        if not await run_sync(self._store.delete, user_id):
            raise NotFound("no_preferences", f"user {quote(user_id)} has no preferences")

    async def steering(
        self, stored: StoredPreferences | None, given: Written | None = None
    ) -> Steering | None:
        """Return what a user's preferences do.

        Args:
            stored: What the user said, of ``LiveHistory``.
            given: Preferences to heed in place of those stored; None: those.

        Returns:
            None where nothing was said.

        Raises:
            DataError: Of those given: see ``put``. Of those stored, what no longer exists is
                passed over.
        """
        if given is not None:
            return await run_sync(self._recommender().steering, given) if given else None
        return None if stored is None else await run_sync(self.place, stored)

    def place(self, stored: StoredPreferences | None) -> Steering:
        """Bring what was stored to the catalogue as it is now."""
        preferences = read_preferences([] if stored is None else stored.preferences)
        return Steering(preferences, self._recommender().attributes, passes_over=True)

    def _check(self, steering: Steering, live: LiveHistory) -> None:
        if not self._recommender().tilts_interests and any(
            placed.prefix is not None and placed.want in ("more", "less")
            for placed in steering.wishes
        ):
            raise ServiceError(
                "not_steerable",
                "the model that is served cannot show more or less of an interest; say it of a "
                'filter ({"less": {"categories": "Tea"}}), or say never',
            )
        for gift in steering.gifts:
            if not any(gift.fits(event) for event in live.history.events):
                when = "" if gift.timestamp is None else f" at {gift.timestamp}"
                raise DataError(
                    f"gift: {quote(live.history.user_id)} has no event of item "
                    f"{quote(gift.item_id)}{when}; GET /v1/users/ID lists the events"
                )
