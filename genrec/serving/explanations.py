"""Explanations beside the recommendations: in slices, between which all else is answered.

An explanation may need hundreds of prompts. Asked of the engine as one question, it would stop
everybody for as long; so one at a time is made, in a thread of its own, and each slice of its
prompts goes through the batcher like any other question. A recommendation therefore waits for one
slice at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from anyio import from_thread
from anyio.to_thread import run_sync

from genrec.base_recommender import BaseRecommender
from genrec.batching import in_batches
from genrec.interests.explain.deletion import Explanation
from genrec.recommender import Recommender
from genrec.schema import Request
from genrec.serving.batching import Batcher, Kind
from genrec.serving.errors import Overloaded
from genrec.stream.windows import View

SLICE = 32
"""Prompts of a slice; most begin alike, so that it costs about as much as a few prompts."""


class Explanations:
    """Explains items to users, one after another."""

    def __init__(
        self,
        batcher: Batcher,
        recommender: Callable[[], BaseRecommender],
        queue_size: int,
        timeout_s: float,
    ) -> None:
        """Take the engine's batcher.

        Args:
            batcher: Of the engine.
            recommender: Returns the one that serves.
            queue_size: Explanations that may wait.
            timeout_s: Longest wait for a turn, and for a slice.
        """
        self._batcher = batcher
        self._recommender = recommender
        self._queue_size = queue_size
        self._timeout_s = timeout_s
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def explain(self, request: Request, item_id: str) -> Explanation:
        """Return why an item would be recommended.

        Raises:
            Overloaded: Too many explanations wait, or the wait was too long.
            GenrecError: The model gives no probabilities, or the filters forbid the item.
        """
        if self._waiting >= self._queue_size:
            raise Overloaded(f"{self._waiting} explanations wait already; ask again later")
        self._waiting += 1
        try:
            await asyncio.wait_for(self._turn.acquire(), self._timeout_s)
        except TimeoutError:
            raise Overloaded(
                f"other explanations took more than {self._timeout_s:g} s; ask again later"
            ) from None
        finally:
            self._waiting -= 1
        try:
            return await run_sync(self._explain, request, item_id)
        finally:
            self._turn.release()

    def _explain(self, request: Request, item_id: str) -> Explanation:
        recommender = self._recommender()
        if not isinstance(recommender, Recommender):
            return recommender.explain_many([(request, item_id)])[0]
        while True:
            table, adapter = recommender.table, recommender.adapter
            score = partial(self._score, recommender)
            explanation = recommender.explain_many([(request, item_id)], score)[0]
            # What was scored by two models, or among two catalogues, cannot be compared.
            if recommender.table is table and recommender.adapter == adapter:
                return explanation

    def _score(
        self,
        recommender: Recommender,
        requests: Sequence[Request],
        item_ids: Sequence[str],
        views: Sequence[View],
    ) -> list[float]:
        scores: list[float] = []
        for part in in_batches(zip(requests, item_ids, views, strict=True), SLICE):
            scores += from_thread.run(
                self._batcher.ask,
                Kind("explain"),
                tuple(zip(*part, strict=True)),
                lambda slices: [recommender.score_many(*each) for each in slices],
            )
        return scores
