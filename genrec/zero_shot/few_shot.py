"""Examples of other users, for prompts: only what had happened when the question is asked."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from genrec.data import Dataset
from genrec.schema import Event, Request
from genrec.zero_shot.prompts import FewShotExample

SHOWN_EVENTS = 5
KEPT_USERS = 2000
"""Users that examples are drawn from: enough to vary, few enough to hold."""


class ExamplePool:
    """Draws examples from the train split."""

    def __init__(self, users: Sequence[tuple[str, tuple[Event, ...]]], seed: int = 0) -> None:
        """Take users with their train events, oldest first."""
        self._users = users
        self._times = [[event.timestamp for event in events] for _, events in users]
        self._seed = seed

    @classmethod
    def fit(cls, data: Dataset, seed: int = 0) -> ExamplePool:
        """Keep some users of the train split; which, the seed and their IDs decide."""
        kept: list[tuple[str, str, tuple[Event, ...]]] = []
        for history in data.histories("train"):
            if len(history.events) > SHOWN_EVENTS:
                kept.append((_draw(seed, history.user_id), history.user_id, history.events))
                if len(kept) >= 2 * KEPT_USERS:
                    kept = sorted(kept, key=lambda one: one[0])[:KEPT_USERS]
        kept = sorted(kept, key=lambda one: one[0])[:KEPT_USERS]
        return cls([(user_id, events) for _, user_id, events in kept], seed)

    def draw(self, request: Request, count: int) -> list[FewShotExample]:
        """Return examples of other users that were over before the moment of asking.

        The same question gets the same examples. A history without a moment gets none, since
        nobody could say what had happened before.

        Args:
            request: Whose user is left out.
            count: Most examples.
        """
        history = request.history
        if request.at is None and not history.events:
            return []
        now = request.at if request.at is not None else history.events[-1].timestamp
        order = sorted(
            range(len(self._users)),
            key=lambda place: _draw(self._seed, f"{history.user_id}\0{self._users[place][0]}"),
        )
        examples: list[FewShotExample] = []
        for place in order:
            if len(examples) == count:
                break
            user_id, events = self._users[place]
            # Events of the very moment count as not yet known.
            known = bisect_right(self._times[place], now - 1)
            if user_id != history.user_id and known > SHOWN_EVENTS:
                last = known - 1
                examples.append(
                    FewShotExample(events[last - SHOWN_EVENTS : last], events[last].item_id)
                )
        return examples


def _draw(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}\0{text}".encode()).hexdigest()
