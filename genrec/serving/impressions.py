"""Answers on their way out: each waits until what it shows is stored, many in one transaction.

An answer is acknowledged by its ``recommendation_id``, and it has one only when its impression is
committed: what a client was told is there survives ``kill -9``. While one transaction is under
way the next answers gather, so the store is asked as seldom as it is slow; the engine works on.
"""

from __future__ import annotations

import asyncio
import logging

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from genrec.serving.monitoring import Metrics, describe_fault, log
from genrec.serving.query import Answer, Asked
from genrec.serving.store import Impression, ImpressionStore, Provenance

PART_DIGITS = 3


def describe(asked: Asked, answer: Answer, model: str, time: int) -> Impression:
    """Return an answer to a question as it is kept."""
    items = answer.items
    draws = tuple(item.draw for item in items)
    says = any(item.brought_by for item in items)
    return Impression(
        asked.user_id,
        time,
        tuple((item.item_id, item.score) for item in items),
        model,
        answer.adapter,
        asked.forgotten,
        arm=asked.arm,
        rules=tuple((rule.name, rule.version) for rule in answer.rules),
        draws=draws if any(draws) else (),
        provenance=tuple(
            Provenance(
                item.brought_by,
                {name: round(nats, PART_DIGITS) for name, nats in item.parts.items()},
            )
            for item in items
        )
        if says
        else (),
        arms=asked.arms if answer.as_asked else (),
        draft=answer.draft,
    )


class Impressions:
    """Stores impressions as they come."""

    def __init__(self, store: ImpressionStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._waiting: list[tuple[Impression, asyncio.Future[str | None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, impression: Impression) -> str | None:
        """Store what an answer shows; return its ID when that is on disk.

        Returns:
            None where nothing is stored: the user was forgotten while the answer was made, or the
            store does not answer and the page is nobody's, so that it needs nothing of the store.

        Raises:
            SQLAlchemyError: The store does not answer.
        """
        stored: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((impression, stored))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        try:
            return await stored
        except SQLAlchemyError as error:
            if impression.user_id is not None:
                raise
            log("impression_lost", logging.WARNING, **describe_fault(error))
            return None

    async def stop(self) -> None:
        """Wait for what is being written."""
        if self._writing is not None:
            await self._writing

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            adding = run_sync(self._store.add, [impression for impression, _ in batch])
            # Whatever goes wrong, it is those who wait that must hear of it.
            (names,) = await asyncio.gather(adding, return_exceptions=True)
            # A client may have gone meanwhile, and its future with it.
            open_places = [place for place, (_, stored) in enumerate(batch) if not stored.done()]
            for place in open_places:
                stored = batch[place][1]
                if isinstance(names, BaseException):
                    stored.set_exception(names)
                else:
                    stored.set_result(names[place])
            if not isinstance(names, BaseException):
                self._metrics.impressions.inc(sum(name is not None for name in names))
        self._writing = None
