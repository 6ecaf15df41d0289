"""What the routes share: the recommender behind its batcher, the store, the metrics."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from genrec.errors import EngineUnavailable
from genrec.interests.explain.deletion import Explanation
from genrec.recommender import Recommender
from genrec.schema import History, Recommendation
from genrec.schema import Request as ItemRequest
from genrec.serving.batching import Batcher, Kind, Limits
from genrec.serving.catalogue import Catalogue
from genrec.serving.histories import Histories
from genrec.serving.http.errors import ServeError, show
from genrec.serving.logs import log
from genrec.serving.metrics import Metrics
from genrec.serving.prepared import PreparedUsers
from genrec.serving.recommenders import AnyRecommender, load_recommender, table_hash
from genrec.serving.settings import Settings
from genrec.serving.store import EventStore, ItemStore, connect, migrate
from genrec.zero_shot.recommender import ZeroShotRecommender

T = TypeVar("T")
SHOWN_ITEMS = 5


class Gateway:
    """One serving process; made by ``genrec.serving.http.app``, started and stopped with it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.batcher = Batcher(
            Limits(
                # A chat model that fails one of a batch would fail its neighbours.
                batch_size=1 if settings.zero_shot else settings.batch_size,
                wait_s=settings.batch_wait_ms / 1000,
                parallel=settings.vllm_batches if settings.vllm or settings.zero_shot else 1,
                queue_size=settings.queue_size,
                timeout_s=settings.timeout_s,
            ),
            self.metrics,
        )
        self._engine = connect(settings.store.get_secret_value())
        self.events = EventStore(self._engine)
        self._items = ItemStore(self._engine)
        self._loaded: tuple[AnyRecommender, Catalogue, Histories] | None = None
        self._loading: asyncio.Task[None] | None = None
        self._explanations = count()

    async def start(self) -> None:
        """Bring the store up to date and load the run.

        A vLLM server that is away is waited for in the background; meanwhile what needs it is
        answered 503.

        Raises:
            GenrecError: The store or the run cannot be used.
        """
        await run_in_threadpool(migrate, self._engine)
        self.batcher.start()
        try:
            await self._load()
        except EngineUnavailable as error:
            log("engine_away", logging.WARNING, message=str(error))
            self._loading = asyncio.create_task(self._keep_loading())
        self.metrics.watch(lambda: self.batcher.depth, self._num_items)

    async def stop(self) -> None:
        """Answer what is at the engine and close the store."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        await self.batcher.stop()
        if self._loaded is not None and isinstance(self._loaded[0], ZeroShotRecommender):
            await run_in_threadpool(self._loaded[0].close)
        await run_in_threadpool(self._engine.dispose)

    @property
    def recommender(self) -> AnyRecommender:
        """The recommender; its engine is only called through the batcher."""
        return self._parts()[0]

    @property
    def catalogue(self) -> Catalogue:
        """The items."""
        return self._parts()[1]

    @property
    def histories(self) -> Histories:
        """The users."""
        return self._parts()[2]

    async def recommend(self, request: ItemRequest, k: int) -> list[Recommendation]:
        """Return ``k`` items.

        Raises:
            TooFewItems: The filters leave fewer.
        """
        self.recommender.check_enough_items(request, k)
        # A search is as wide as the largest k of its batch: one that exceeds the usual width
        # would change its neighbours' answers, and shares a batch with its like only.
        # A chat model is asked about one request at a time, for just what it wants.
        is_alone = self.settings.zero_shot is not None or k > self.settings.num_beams
        variant = k if is_alone else 0
        shared = self.settings.num_beams if variant == 0 else k

        def answer(requests: Sequence[ItemRequest]) -> list[list[Recommendation]]:
            return self.recommender.rank_many(requests, shared)

        found = await self.batcher.ask(Kind("items", variant), request, answer)
        return self._checked(found[:k], request)

    async def explain(self, request: ItemRequest, item_id: str) -> Explanation:
        """Return why an item would be recommended.

        Raises:
            GenrecError: The model tells no odds, or the filters forbid the item.
        """
        # One may hold hundreds of prompts: several at a time would keep all others waiting.
        return await self.batcher.ask(
            Kind("explain", next(self._explanations)),
            (request, item_id),
            lambda asked: self.recommender.explain_many(asked),
        )

    async def check_engine(self) -> None:
        """Ask the engine something small.

        Raises:
            EngineUnavailable: It does not answer.
        """
        recommender = self.recommender
        if isinstance(recommender, ZeroShotRecommender):
            # Whoever watches readiness should not pay for an answer each time.
            await run_in_threadpool(recommender.ping)
        else:
            await self.recommend(ItemRequest(History("", ())), 1)

    async def interests(self, history: History) -> Any:
        """Return a history's ``Summary``."""
        return await self.batcher.ask(
            Kind("interests"),
            history,
            lambda asked: self.recommender.interests_many(asked, self.settings.min_evidence),
        )

    async def next_interests(self, history: History, top: int) -> list[tuple[str, float]]:
        """Return the ``top`` interests the model expects next."""
        return await self.batcher.ask(
            Kind("next_interests", top),
            history,
            lambda asked: self.recommender.next_interests_many(asked, top),
        )

    async def evolution(self, history: History) -> Any:
        """Return a history's ``Evolution``; None from a chat model, which states no shares."""
        recommender = self.recommender
        if not isinstance(recommender, Recommender):
            return None
        return await self.batcher.ask(
            Kind("evolution"),
            history,
            lambda asked: recommender.evolutions([ItemRequest(one) for one in asked]),
        )

    async def alone(self, work: Callable[[], T]) -> T:
        """Run work that changes the engine."""
        return await self.batcher.alone(work)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run work that reads the store or the catalogue."""
        return await run_in_threadpool(work, *arguments)

    def check_items(self, item_ids: Sequence[str], where: str) -> None:
        """Refuse items that are not in the catalogue.

        Raises:
            ServeError: Naming the first few.
        """
        unknown = [item_id for item_id in item_ids if not self.recommender.knows(item_id)]
        if unknown:
            named = ", ".join(map(show, unknown[:SHOWN_ITEMS]))
            more = f" and {len(unknown) - SHOWN_ITEMS} more" if len(unknown) > SHOWN_ITEMS else ""
            raise ServeError(
                422,
                "unknown_item",
                f"{where}: no item {named}{more}; check the IDs (they are case-sensitive), or add "
                "the items with PUT /v1/items first",
            )

    def check_count(self, number: int, most: int, what: str) -> None:
        """Refuse a request that holds too much.

        Raises:
            ServeError: Naming both numbers.
        """
        if number > most:
            raise ServeError(
                422, "too_many", f"{number} {what} in one request; at most {most} are taken"
            )

    def _checked(
        self, found: Sequence[Recommendation], request: ItemRequest
    ) -> list[Recommendation]:
        """Count, and keep out, what the engine must never return."""
        banned = request.forbidden
        kept: dict[str, Recommendation] = {}
        for item in found:
            allowed = request.candidates is None or item.item_id in request.candidates
            if allowed and item.item_id not in banned and item.item_id not in kept:
                kept[item.item_id] = item
        self.metrics.count_items(kept, len(found) - len(kept))
        return list(kept.values())

    def _parts(self) -> tuple[AnyRecommender, Catalogue, Histories]:
        if self._loaded is None:
            raise EngineUnavailable(
                f"{self.settings.zero_shot or self.settings.vllm} has not answered since the "
                "gateway started"
            )
        return self._loaded

    def _num_items(self) -> int:
        return 0 if self._loaded is None else len(self._loaded[1])

    async def _load(self) -> None:
        self._loaded = await self.batcher.alone(self._read_run)
        log("ready", run=str(self.settings.zero_shot or self.settings.run), items=self._num_items())

    def _read_run(self) -> tuple[AnyRecommender, Catalogue, Histories]:
        settings = self.settings
        if settings.threads is not None:
            import torch

            torch.set_num_threads(settings.threads)
        recommender = load_recommender(settings)
        catalogue = Catalogue(recommender, self._items, table_hash(settings))
        catalogue.restore()
        prepared = PreparedUsers(recommender.data)
        # The first pass through a model is slow: nobody should wait for it.
        if isinstance(recommender, ZeroShotRecommender):
            recommender.ping()
        else:
            recommender.rank_many([ItemRequest(History("", ()))], 1)
        return recommender, catalogue, Histories(prepared, self.events, settings.max_history_events)

    async def _keep_loading(self) -> None:
        while self._loaded is None:
            await asyncio.sleep(self.settings.retry_after_s)
            with suppress(EngineUnavailable):
                await self._load()


def get_gateway(request: Request) -> Gateway:
    """Return the gateway of the application that answers."""
    return request.app.state.gateway


Served = Annotated[Gateway, Depends(get_gateway)]
"""A route's parameter that receives the gateway."""
