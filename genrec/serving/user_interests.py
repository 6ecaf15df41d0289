"""What users care about: summaries, receipts, timelines, what comes next; asked of the engine."""

from __future__ import annotations

from collections.abc import Callable

from anyio.to_thread import run_sync

from genrec.base_recommender import BaseRecommender
from genrec.feedback import evidence_of
from genrec.interests.profile.interests import find_interests
from genrec.interests.summary.check import Summary
from genrec.interests.timeline.evolution import Evolution
from genrec.interests.timeline.timeline import InterestTimeline, interest_timeline
from genrec.preferences.receipts import list_receipts
from genrec.recommender import Recommender
from genrec.schema import History, Interest
from genrec.serving.batching import Batcher, Kind
from genrec.serving.histories import LiveHistory
from genrec.serving.preferences import Profile, UserPreferences

EXPECTED = 5
"""Interests that the model expects next, as many as a profile names."""


class UserInterests:
    """Answers questions about interests, many users' together where the engine is asked."""

    def __init__(
        self,
        batcher: Batcher,
        recommender: Callable[[], BaseRecommender],
        preferences: UserPreferences,
        min_evidence: int,
    ) -> None:
        """Take what is asked.

        Args:
            batcher: Of the engine.
            recommender: Returns the one that serves.
            preferences: What users say of themselves.
            min_evidence: Fewest events that an interest of a summary rests on.
        """
        self._batcher = batcher
        self._recommender = recommender
        self._preferences = preferences
        self._min_evidence = min_evidence

    async def summary(
        self, history: History, top: int
    ) -> tuple[Summary, Evolution | None, list[tuple[str, float]]]:
        """Return a summary, how interests evolved, and the ``top`` interests expected next.

        A chat model states no shares, so it gives no evolution.
        """
        recommender, fewest = self._recommender(), self._min_evidence
        if isinstance(recommender, Recommender):
            tell = recommender.summaries_and_evolutions
            summary, evolution = await self._batcher.ask(
                Kind("interests"), history, lambda asked: tell(asked, fewest)
            )
            return summary, evolution, evolution.next_event(top)
        ask = recommender.interests_many
        summary = await self._batcher.ask(
            Kind("interests"), history, lambda asked: ask(asked, fewest)
        )
        return summary, None, await self._expected(history, top)

    async def profile(self, live: LiveHistory) -> Profile:
        """Return what is known of a user's interests, and what the user said of them."""
        steering = self._preferences.place(live.preferences)
        expected = await self._expected(steering.own(evidence_of(live.history)), EXPECTED)
        receipts = list_receipts(live.history, steering, self._recommender().table, expected)
        return Profile(live.preferences, steering.lost, receipts)

    async def timeline(self, history: History) -> tuple[list[Interest], InterestTimeline]:
        """Return the interests that events support, strongest today first, and their weights."""
        return await run_sync(self._timeline, history)

    async def _expected(self, history: History, top: int) -> list[tuple[str, float]]:
        """Return the interests expected next, likeliest first."""
        recommender = self._recommender()
        expected: list[tuple[str, float]] = await self._batcher.ask(
            Kind("next_interests", top),
            history,
            lambda asked: recommender.next_interests_many(asked, top),
        )
        return expected

    def _timeline(self, history: History) -> tuple[list[Interest], InterestTimeline]:
        table = self._recommender().table
        supported = find_interests(history, table, max_interests=max(1, len(history.events)))
        prefixes = [interest.prefix for interest in supported]
        return supported, interest_timeline(history, table, prefixes)
