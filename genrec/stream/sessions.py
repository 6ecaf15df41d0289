"""Events of users in tokens, kept so that one who returns costs only what is new."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from cachetools import TTLCache

from genrec.stream.windows import Segment

if TYPE_CHECKING:
    from genrec.stream.render import Renderer

MAX_TOKENS = 2**19
"""Of all users: some 20 MB, for 1,000 users of 25 events each, half of them with a review."""
MAX_AGE_S = 3600
"""What a request kept of a user who was being forgotten must not stay."""


class _Session(NamedTuple):
    """What was tokenized of a user.

    Attributes:
        renderer: That wrote it; another one may write other IDs and words.
        steps: All that each event is written from.
        segments: One for each.
    """

    renderer: Renderer
    steps: Sequence[Any]
    segments: list[Segment]

    @property
    def num_tokens(self) -> int:
        return sum(len(segment.tokens) for segment in self.segments)


class Sessions:
    """The segments of users asked about lately; may be asked from several threads."""

    def __init__(self, max_tokens: int = MAX_TOKENS) -> None:
        """Start with none; more tokens than given are not kept."""
        self._kept: TTLCache[str, _Session] = TTLCache(
            max_tokens, MAX_AGE_S, getsizeof=lambda session: session.num_tokens
        )
        self._lock = threading.Lock()

    def find(self, user_id: str, renderer: Renderer, steps: Sequence[Any]) -> list[Segment]:
        """Return the segments of a history's longest known beginning.

        Args:
            user_id: Whose it is.
            renderer: That would write it.
            steps: All that each of its events is written from.
        """
        with self._lock:
            session = self._kept.get(user_id)
        if session is None or session.renderer is not renderer:
            return []
        pairs = zip(session.steps, steps, strict=False)
        shared = min(len(session.steps), len(steps))
        same = next((place for place, (old, new) in enumerate(pairs) if old != new), shared)
        return session.segments[:same]

    def keep(
        self, user_id: str, renderer: Renderer, steps: Sequence[Any], segments: list[Segment]
    ) -> None:
        """Keep what was tokenized of a history in the place of what was known of its user."""
        with self._lock:
            self._kept.pop(user_id, None)
            with suppress(ValueError):  # larger than all that may be kept
                self._kept[user_id] = _Session(renderer, steps, segments)

    @property
    def users(self) -> set[str]:
        """Of whom anything is kept."""
        with self._lock:
            return set(self._kept)

    def forget(self, user_id: str) -> None:
        """Drop what is kept of a user."""
        with self._lock:
            self._kept.pop(user_id, None)
