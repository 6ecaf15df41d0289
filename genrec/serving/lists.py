"""Lists of items to show: asked of the engine with other requests, under filters and rules.

An item may be retired while a request waits for its turn, so what is available is looked at before
and after the wait. What a filter forbids is never shown, whatever the engine returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from genrec.rules import Plan
from genrec.schema import Recommendation, Request
from genrec.serving.answering import Ranked, answer_as_asked
from genrec.serving.batching import Batcher, Kind
from genrec.serving.errors import ServiceError
from genrec.serving.loading import Loaded
from genrec.serving.monitoring import Metrics
from genrec.serving.query import Answer
from genrec.serving.settings import Settings


class Lists:
    """Recommends, and says how many items there are to recommend."""

    def __init__(
        self,
        batcher: Batcher,
        loaded: Callable[[], Loaded],
        settings: Settings,
        metrics: Metrics,
        now: Callable[[], int],
    ) -> None:
        """Take what is asked.

        Args:
            batcher: Of the engine.
            loaded: Returns the recommender and the items that serve.
            settings: Of the service.
            metrics: Count what is shown.
            now: Tells the moment, in seconds.
        """
        self._batcher = batcher
        self._loaded = loaded
        self._settings = settings
        self._metrics = metrics
        self._now = now

    async def recommend(self, request: Request, k: int, plan: Plan | None = None) -> Answer:
        """Return ``k`` distinct items that exist, pass the filters and keep the rules.

        Raises:
            ServiceError: ``k`` is too large.
            TooFewItems: The filters leave fewer, or the rules leave no such list.
        """
        self.check_k(k)
        settings, loaded = self._settings, self._loaded()
        recommender, catalogue = loaded.recommender, loaded.catalogue
        if plan is not None:
            request = plan.steer(request)
        request = catalogue.restrict(request, self._now())
        check_enough = recommender.table.check_enough if plan is None else plan.check_enough
        check_enough(request, k)
        # A search is as wide as the largest k of its batch. A k beyond the usual width would
        # change its neighbours' answers, so it shares a batch only with the same k.
        # A chat model is asked about one request at a time, for just as many items as wanted.
        num_beams = request.model.num_beams or settings.num_beams
        is_alone = settings.zero_shot is not None or k > num_beams
        kind = Kind("items", (k if is_alone else 0, request.model))
        if plan is not None and plan.chooses:
            # Only requests under the same rules, for as many items, can be answered together.
            kind = Kind("ruled", (id(plan), k))

        def rank(most: int, requests: Sequence[Request]) -> list[list[Recommendation]]:
            if plan is None or not plan.chooses:
                return recommender.rank_many(requests, most)
            rules = plan.rules if requests[0].model == plan.model else plan.rules_of_lists
            return recommender.recommend_many(requests, k, recommender.plan(rules))

        def answer(asked: Sequence[tuple[Request, int]]) -> list[Ranked]:
            # Here once more, since an item may have been retired while the request waited.
            now = self._now()
            allowed = [catalogue.restrict(one, now) for one, _ in asked]
            most = max(count for _, count in asked)
            return answer_as_asked(recommender, allowed, partial(rank, most))

        found, adapter, as_asked = await self._batcher.ask(kind, (request, k), answer)
        if len(found) < k:
            recommender.table.check_enough(catalogue.restrict(request, self._now()), k)
        # The engine must never return what a filter forbids; here this is counted and enforced.
        forbidden, allowed = request.forbidden, request.candidates
        valid: dict[str, Recommendation] = {}
        for item in found[:k]:
            if item.item_id not in forbidden and (allowed is None or item.item_id in allowed):
                valid.setdefault(item.item_id, item)
        self._metrics.count_items(valid, len(found[:k]) - len(valid))
        rules = () if plan is None else plan.rules
        return Answer(list(valid.values()), adapter, rules, as_asked)

    def num_left(self, request: Request) -> int:
        """Return how many items a request's filters leave of what is available now."""
        loaded = self._loaded()
        restricted = loaded.catalogue.restrict(request, self._now())
        return loaded.recommender.table.num_left(restricted)

    def check_k(self, k: int) -> None:
        """Refuse to return so many items.

        Raises:
            ServiceError: They are too many.
        """
        if k > (most := self._settings.max_k):
            raise ServiceError("k_too_large", f"k={k}; at most {most} items are returned at once")
