"""The service without HTTP: what a route asks, answered from the recommender, store and batcher.

Enters: plain values and ``schema`` types. Leaves: the library's own results, or a ``ServiceError``.
Must not know HTTP, status codes or JSON.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from typing import Any

from anyio.to_thread import run_sync

from genrec.data.clean import clean_about
from genrec.errors import EngineUnavailable
from genrec.interests.counterfactual import read_interest_bias
from genrec.interests.explain.deletion import Explanation
from genrec.preferences import Steering
from genrec.rules import Plan
from genrec.schema import (
    Event,
    History,
    Likeness,
    Recommendation,
    Request,
    SemanticId,
)
from genrec.serving.adapters import Adapters
from genrec.serving.batching import Batcher, Limits
from genrec.serving.descriptions import UserDescriptions
from genrec.serving.errors import ServiceError, check_count, quote
from genrec.serving.experiments import Experiments
from genrec.serving.explanations import Explanations
from genrec.serving.exposures import Exposures
from genrec.serving.following import Following
from genrec.serving.forgetting import Forgetting
from genrec.serving.histories import LiveHistory
from genrec.serving.impressions import Impressions, describe
from genrec.serving.items import Items
from genrec.serving.lists import Lists
from genrec.serving.live_counts import LiveCounting
from genrec.serving.loading import Loaded, load
from genrec.serving.monitoring import Metrics, log
from genrec.serving.online import OnlineMetrics
from genrec.serving.online_series import OnlineCollector
from genrec.serving.preferences import UserPreferences
from genrec.serving.promotions import Promotions
from genrec.serving.query import Answer, Asked, Query
from genrec.serving.retention import keep_sweeping
from genrec.serving.rules import Rules
from genrec.serving.settings import Settings
from genrec.serving.store import (
    ChangeLog,
    DescriptionStore,
    EventStore,
    ImpressionStore,
    Journal,
    PreferenceStore,
    RuleStore,
    StoredEvent,
    connect,
    migrate,
    read_store_id,
)
from genrec.serving.talk import Talk
from genrec.serving.user_interests import UserInterests
from genrec.zero_shot.recommender import ZeroShotRecommender

MAX_NAMED_ITEMS = 5
INLINE_USER = "inline"


class RecommendationService:
    """One serving process; ``genrec.serving.http.app`` makes, starts and stops it."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """Take the settings and what tells the time: seconds since 1970."""
        self.settings = settings
        self.clock = clock
        self.metrics = Metrics()
        self._batcher = Batcher(
            Limits(
                # With a chat model, one failed request would fail the others in its batch.
                batch_size=1 if settings.zero_shot else settings.batch_size,
                wait_s=settings.batch_wait_ms / 1000,
                parallel=settings.vllm_batches if settings.vllm or settings.zero_shot else 1,
                queue_size=settings.queue_size,
                timeout_s=settings.timeout_s,
            ),
            self.metrics,
        )
        self._engine = connect(settings.store.get_secret_value())
        self._events = EventStore(self._engine, settings.attribution_s)
        shown = ImpressionStore(self._engine)
        self._impressions = Impressions(shown, self.metrics)
        self._kept = [
            (shown.prune, settings.impression_days),
            (self._events.prune, settings.event_days),
        ]
        self.online = OnlineMetrics(
            (shown, self._events),
            lambda: self.loaded,
            lambda: self.adapters.learned_until,
            settings,
            clock,
        )
        self.metrics.registry.register(OnlineCollector(lambda: self.online.latest))
        self._changes = ChangeLog(self._engine, clock)
        self._loaded: Loaded | None = None
        self.adapters = Adapters(
            self._batcher,
            settings.adapters_dir or settings.run.parent,
            lambda: self.loaded.recommender,
            settings.workers,
        )
        self.promotions = Promotions(
            Journal(self._engine, clock), self.adapters, lambda: self.loaded.model
        )
        self.items = Items(self._batcher, lambda: self.loaded.catalogue, settings.max_items)
        exposures = Exposures(
            shown, lambda: self.loaded.recommender, settings.impression_days, clock
        )
        rules = RuleStore(self._engine, clock)
        self.rules = Rules(
            rules,
            lambda: self.loaded.recommender,
            exposures,
            self.adapters,
            lambda item_id: self.loaded.catalogue.is_retired(item_id),
        )
        self.experiments = Experiments(
            (rules, shown, self._events),
            settings.conversion_events,
            settings.attribution_s,
            clock,
        )
        self.preferences = UserPreferences(
            PreferenceStore(self._engine), lambda: self.loaded.recommender, clock
        )
        self._following = Following(self._changes, [self.items, self.rules, self.promotions])
        self.about = UserDescriptions(DescriptionStore(self._engine), lambda: self.now)
        self.interests = UserInterests(
            self._batcher,
            lambda: self.loaded.recommender,
            self.preferences,
            settings.min_evidence,
        )
        self.lists = Lists(
            self._batcher, lambda: self.loaded, settings, self.metrics, lambda: self.now
        )
        self.talk = Talk(settings, self.metrics)
        self._live = LiveCounting(self._events, lambda: self.loaded, self._batcher)
        self._forgetting = Forgetting(self._events, lambda: self.loaded)
        self._background: list[asyncio.Task[None]] = []
        self._explanations = Explanations(
            self._batcher,
            lambda: self.loaded.recommender,
            settings.queue_size,
            settings.timeout_s,
        )

    async def start(self) -> None:
        """Bring the store up to date and load the run.

        If the vLLM server is away, the service keeps trying in the background; until then,
        requests that need it fail with ``EngineUnavailable``.

        Raises:
            GenrecError: The store or the run cannot be used.
        """
        await run_sync(migrate, self._engine)
        self._background.append(asyncio.create_task(keep_sweeping(self._kept, self.clock)))
        self._batcher.start()
        try:
            await self._load()
        except EngineUnavailable as error:
            log("engine_away", logging.WARNING, message=str(error))
            self._background.append(asyncio.create_task(self._keep_loading()))
        if every_s := self.settings.online_metrics_s:
            self._background.append(asyncio.create_task(self.online.keep_counting(every_s)))
        self.metrics.watch(
            lambda: self._batcher.depth,
            lambda: 0 if self._loaded is None else len(self._loaded.catalogue),
            lambda: None if self._loaded is None else self._loaded.recommender.session_cache,
        )
        self._background.append(asyncio.create_task(self.metrics.keep_fresh()))

    async def stop(self) -> None:
        """Answer what is at the engine, store what is shown, and close the store."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._batcher.stop()
        await self._impressions.stop()
        await self.talk.stop()
        if self._loaded is not None and isinstance(self._loaded.recommender, ZeroShotRecommender):
            await run_sync(self._loaded.recommender.close)
        await run_sync(self._engine.dispose)
        gc.unfreeze()

    @property
    def now(self) -> int:
        """This moment, in seconds."""
        return int(self.clock())

    @property
    def loaded(self) -> Loaded:
        """The recommender, the items and the users; only the batcher may call the engine.

        Raises:
            EngineUnavailable: The model's server has not answered yet.
        """
        if self._loaded is None:
            raise EngineUnavailable(
                f"{self.settings.zero_shot or self.settings.vllm} has not answered since the "
                "server started"
            )
        return self._loaded

    async def add_events(self, events: Sequence[StoredEvent]) -> int:
        """Store events, all or none; return how many were new.

        Raises:
            ServiceError: An item is unknown, a time lies in the future, or there are too many.
        """
        self._check_times([stored.event.timestamp for stored in events])
        named = [each.event.item_id for each in events if each.text is None]
        await self._check_items(named, "events")
        accepted = await run_sync(self._events.add, events)
        self.metrics.events.labels("accepted").inc(accepted)
        self.metrics.events.labels("duplicate").inc(len(events) - accepted)
        return accepted

    async def user(self, user_id: str) -> LiveHistory:
        """Return a user's newest events, in step with the change log as of then.

        Raises:
            NotFound: Nobody has this ID.
        """
        live: LiveHistory = await run_sync(self.loaded.histories.read, user_id)
        await self._following.reach(live.head)
        return live

    async def find_users(self, query: str, limit: int) -> list[tuple[str, int]]:
        """Return the users whose ID contains a text, by ID, with their numbers of events."""
        return await run_sync(self.loaded.histories.search, query, limit)

    async def forget_user(self, user_id: str) -> None:
        """Delete a user's posted events, and never read the prepared data's again.

        Raises:
            NotFound: Nobody has this ID.
        """
        loaded = self.loaded
        await run_sync(loaded.histories.forget, user_id)
        await run_sync(loaded.recommender.forget, user_id)

    async def history(self, user_id: str | None, events: Sequence[Event] = ()) -> LiveHistory:
        """Return a user's history, or that of the events given; removed items are passed over.

        Raises:
            ServiceError: The user or an item is unknown, or an event cannot be used.
        """
        if user_id is None:
            self._check_times([event.timestamp for event in events])
            await self._check_items([event.item_id for event in events], "events")
            ordered = sorted(events, key=lambda event: event.timestamp)
            return LiveHistory(History(INLINE_USER, tuple(ordered)), (None,) * len(ordered))
        live = await self.user(user_id)
        knows = self.loaded.recommender.table.knows
        removed = {
            index for index, event in enumerate(live.history.events) if not knows(event.item_id)
        }
        return live.without(removed) if removed else live

    async def look_up(self, query: Query) -> LiveHistory:
        """Return the history that a query is about, once all that it names is known here.

        Raises:
            ServiceError: See ``history``; or it names too many items, or one that is unknown.
        """
        for name, item_ids in (("exclude", query.exclude), ("candidates", query.candidates)):
            if item_ids:
                most = self.settings.max_filter_items
                check_count(len(item_ids), f"items in `{name}`", most)
                await self._check_items(item_ids, name)
        return await self.history(query.user_id, query.events)

    async def request(
        self,
        query: Query,
        live: LiveHistory,
        plan: Plan | None = None,
        steering: Steering | None = None,
    ) -> Asked:
        """Return the request to the model.

        Args:
            query: What is asked.
            live: What ``look_up`` returned for it.
            plan: Its rules: they say whether what the user has seen is wanted.
            steering: The user's preferences.

        Raises:
            ServiceError: An item or event is unknown, or ``at`` precedes the last event.
            DataError: An interest or an event does not exist, or a filter cannot be used.
        """
        interest_bias: Mapping[SemanticId, float] = {}
        if query.interest_bias:
            interest_bias = read_interest_bias(self.loaded.recommender.table, query.interest_bias)
        if query.without or query.as_of is not None:
            check_count(len(query.without), "events in `without`", self.settings.max_events)
            live = live.what_if(query.without, query.as_of)
        at = query.as_of if query.at is None else query.at
        events = live.history.events
        last = events[-1].timestamp if events else None
        if at is not None and last is not None:
            if at < last - self.settings.clock_skew_s:
                raise ServiceError(
                    "asked_in_the_past",
                    f"at={at} lies before the last event ({last}); leave it out to ask right after "
                    "that, or give `as_of` to ask as of a past moment",
                )
            at = max(at, last)
        exclude = frozenset(query.exclude).union(query.shown)
        candidates: Set[str] | None = None
        if query.candidates is not None:
            candidates = frozenset(query.candidates)
        if query.filters is not None:
            candidates = await run_sync(self.loaded.recommender.passing, query.filters, candidates)
        filter_seen = query.filter_seen
        if plan is not None and plan.seen is not None:
            filter_seen = plan.seen.which == "never"
        history = live.history
        if query.about is not None:
            history = replace(history, about=clean_about(query.about))
        request = Request(
            history,
            at,
            query.event_type,
            exclude | live.older_items if filter_seen else exclude,
            candidates,
            filter_seen,
            interest_bias,
            query.query,
            now=self.now if at is None else at,
        )
        request = self.loaded.recommender.heed(request)
        if steering is not None:
            request = steering.steer(request)
        arms = self.rules.arms_of(query.user_id)
        return Asked(request, query.user_id, live.forgotten, query.arm, arms)

    async def keep_impression(self, asked: Asked, shown: Answer) -> str | None:
        """Store what an answer is about to show; return its ID once that is on disk.

        Returns:
            None where the user was forgotten meanwhile: nothing is stored then.
        """
        impression = describe(asked, shown, self.loaded.model, self.now)
        return await self._impressions.keep(impression)

    async def similar(
        self, item_id: str, k: int, by: Likeness, filters: Mapping[str, Any] | None
    ) -> list[Recommendation]:
        """Return the ``k`` items most like one.

        Raises:
            ServiceError: The item is unknown, or ``k`` is too large.
            TooFewItems: The filters leave fewer.
        """
        await self._check_items([item_id], "item_id")
        self.lists.check_k(k)
        gone = self.loaded.catalogue.gone(self.now)
        return await run_sync(
            self.loaded.recommender.similar_to, item_id, k, by, filters, gone - {item_id}
        )

    async def explain(self, request: Request, item_id: str) -> Explanation:
        """Return why an item would be recommended.

        Raises:
            GenrecError: The model gives no probabilities, or the filters forbid the item.
        """
        await self._check_items([item_id], "item_id")
        return await self._explanations.explain(request, item_id)

    async def check_store(self) -> None:
        """Ask the store something small."""
        await run_sync(self._events.forgotten, [INLINE_USER])

    async def check_engine(self) -> None:
        """Ask the engine something small.

        Raises:
            EngineUnavailable: It does not answer.
        """
        recommender = self.loaded.recommender
        if isinstance(recommender, ZeroShotRecommender):
            # A readiness probe should not pay for an answer each time.
            await run_sync(recommender.ping)
        else:
            await self.lists.recommend(Request(History("", ())), 1)

    def _check_times(self, times: Sequence[int]) -> None:
        """Refuse events of the future, and too many of them."""
        now = self.now
        latest = now + self.settings.clock_skew_s
        check_count(len(times), "events", self.settings.max_events)
        for index, timestamp in enumerate(times):
            if timestamp > latest:
                raise ServiceError(
                    "future_timestamp",
                    f"events.{index}.timestamp: {timestamp} lies {timestamp - now} s "
                    f"in the future (this machine's clock says {now}); timestamps are in seconds, "
                    "not milliseconds; correct the clock or leave it out to mean now",
                )

    async def _check_items(self, item_ids: Sequence[str], where: str) -> None:
        """Refuse items that are not in the catalogue, naming the first few."""
        recommender = self.loaded.recommender
        if not all(map(recommender.knows, item_ids)):
            # Another gateway, or worker of this one, may have added them a moment ago.
            await self._following.look()
        unknown = [item_id for item_id in item_ids if not recommender.knows(item_id)]
        if unknown:
            named = ", ".join(map(quote, unknown[:MAX_NAMED_ITEMS]))
            rest = len(unknown) - MAX_NAMED_ITEMS
            raise ServiceError(
                "unknown_item",
                f"{where}: no item {named}{f' and {rest} more' if rest > 0 else ''}; check the IDs "
                "(they are case-sensitive), or add the items with PUT /v1/items first",
            )

    async def _load(self) -> None:
        store_id = await run_sync(read_store_id, self._engine)
        loaded = await self._batcher.exclusive(
            lambda: load(self.settings, self._events, self._changes, store_id)
        )
        self._loaded = loaded
        await self.rules.catch_up()
        await self.promotions.catch_up()
        if every_s := self.settings.live_counts_s:
            self._background.append(asyncio.create_task(self._live.keep_counting(every_s)))
        self._background += [
            asyncio.create_task(each.keep()) for each in (self._following, self._forgetting)
        ]
        # Catalogue, users and libraries are half a million objects that stay. To look through them
        # again and again keeps everybody waiting for a third of a second.
        gc.collect()
        gc.freeze()
        log(
            "ready",
            run=str(self.settings.zero_shot or self.settings.run),
            items=len(loaded.catalogue),
        )

    async def catch_up(self) -> None:
        """Do at once what other gateways, and updates, told the store.

        Of rules, promotions, live events and deleted users: all of it happens by itself within a
        second or two.

        Raises:
            GenrecError: The engine has no time, or an adapter cannot be served.
            SQLAlchemyError: The store does not answer.
        """
        await self.rules.catch_up()
        await self.promotions.catch_up()
        await run_sync(self._forgetting.catch_up)
        if self.settings.live_counts_s:
            await self._live.catch_up()

    async def _keep_loading(self) -> None:
        while self._loaded is None:
            await asyncio.sleep(self.settings.retry_after_s)
            with suppress(EngineUnavailable):
                await self._load()
