"""Few-shot examples from other users; they contain only events before the request."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence

from genrec.data import Dataset
from genrec.schema import Event, Request
from genrec.zero_shot.prompts import FewShotExample

SHOWN_EVENTS = 5
KEPT_USERS = 2000
"""Users that examples are drawn from: enough for variety, few enough for memory."""


class ExamplePool:
    """Draws examples from the train split."""

    def __init__(self, users: Sequence[tuple[str, tuple[Event, ...]]], seed: int = 0) -> None:
        """Take users and their train events, oldest first."""
        self._users = users
        self._times = [[event.timestamp for event in events] for _, events in users]
        self._seed = seed

    @classmethod
    def fit(cls, data: Dataset, seed: int = 0) -> ExamplePool:
        """Keep a sample of the train split's users, determined by the seed."""
        kept: list[tuple[str, str, tuple[Event, ...]]] = []
        for history in data.histories("train"):
            if len(history.events) > SHOWN_EVENTS:
                kept.append((_draw(seed, history.user_id), history.user_id, history.events))
                if len(kept) >= 2 * KEPT_USERS:
                    kept = sorted(kept, key=lambda user: user[0])[:KEPT_USERS]
        kept = sorted(kept, key=lambda user: user[0])[:KEPT_USERS]
        return cls([(user_id, events) for _, user_id, events in kept], seed)

    def draw(self, request: Request, count: int) -> list[FewShotExample]:
        """Return examples of other users that ended before the request.

        Equal requests get equal examples. A request without a time or events gets none, since it
        is unknown what came before it.

        Args:
            request: Its own user is left out.
            count: Maximum number of examples.
        """
        history = request.history
        if request.at is None and not history.events:
            return []
        now = request.at if request.at is not None else history.events[-1].timestamp
        order = sorted(
            range(len(self._users)),
            key=lambda row: _draw(self._seed, f"{history.user_id}\0{self._users[row][0]}"),
        )
        examples: list[FewShotExample] = []
        for row in order:
            if len(examples) == count:
                break
            user_id, events = self._users[row]
            # Events of the same second are not known yet.
            known = bisect_right(self._times[row], now - 1)
            if user_id != history.user_id and known > SHOWN_EVENTS:
                last = known - 1
                examples.append(
                    FewShotExample(events[last - SHOWN_EVENTS : last], events[last].item_id)
                )
        return examples


def _draw(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}\0{text}".encode()).hexdigest()
