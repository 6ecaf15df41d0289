"""Requests gathered for the engine as they arrive.

Enters: one question at a time, from many requests. Leaves: batches of questions of one kind, in
order of arrival; while the engine works on one batch, the next one gathers. Work that changes the
engine (new items, adapters) runs exclusively: after everything asked before it and before
everything asked after it. Must not know HTTP, users or items.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from genrec.errors import EngineUnavailable, GenrecError
from genrec.serving.errors import Overloaded
from genrec.serving.monitoring import Metrics

T = TypeVar("T")
Answer = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Kind:
    """Which questions may share a batch: those of equal kinds.

    Attributes:
        name: For the metrics.
        variant: Separates questions that cannot share a batch, such as those for another adapter.
    """

    name: str
    variant: Hashable = None


@dataclass
class _Job:
    """One question; ``kind`` is None for exclusive work."""

    kind: Kind | None
    question: Any
    answer: Answer
    future: asyncio.Future[Any]


@dataclass(frozen=True)
class Limits:
    """How batches are made; see ``genrec.serving.settings``.

    Attributes:
        batch_size: Most questions of a batch.
        wait_s: How long a free engine waits for more questions.
        parallel: Batches at the engine at the same time.
        queue_size: Questions that may wait.
        timeout_s: Longest wait of a question.
    """

    batch_size: int
    wait_s: float
    parallel: int
    queue_size: int
    timeout_s: float


class Batcher:
    """Owns the threads that may call the engine."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics
        self._waiting: deque[_Job] = deque()
        self._arrived = asyncio.Event()
        self._slots = asyncio.Semaphore(limits.parallel)
        self._executor: Executor = ThreadPoolExecutor(limits.parallel, "engine")
        self._running: set[asyncio.Task[None]] = set()
        self._loop_task: asyncio.Task[None] | None = None

    @property
    def depth(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to answer."""
        self._loop_task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Finish the batches at the engine and refuse what waits."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
        while self._waiting:
            job = self._waiting.popleft()
            if not job.future.done():
                job.future.set_exception(Overloaded("the server is shutting down; ask again"))
        await asyncio.gather(*self._running, return_exceptions=True)
        self._executor.shutdown()

    async def ask(self, kind: Kind | None, question: Any, answer: Answer) -> Any:
        """Return the answer to one question.

        Args:
            kind: Only questions of equal kinds share a batch; None: exclusive work, which
                takes as long as it takes.
            question: Passed on.
            answer: Called in a thread with the batch's questions; that of its first one is used.

        Raises:
            Overloaded: The queue is full, or the wait was too long.
            GenrecError: What ``answer`` raised for this question.
        """
        if len(self._waiting) >= self._limits.queue_size:
            self._metrics.refused.labels("queue").inc()
            raise Overloaded(
                f"{len(self._waiting)} requests wait for the engine already; ask again later"
            )
        job = self._job(kind, question, answer)
        self._waiting.append(job)
        self._arrived.set()
        if kind is None:
            return await job.future
        try:
            return await asyncio.wait_for(job.future, self._limits.timeout_s)
        except TimeoutError:
            self._metrics.refused.labels("timeout").inc()
            raise Overloaded(
                f"the engine did not answer within {self._limits.timeout_s:g} s; ask again later"
            ) from None

    async def exclusive(self, work: Callable[[], T], first: bool = False) -> T:
        """Run work while nothing else is at the engine, however long it takes.

        Args:
            work: What to do.
            first: Whether it goes before all that waits, and is taken even by a full queue.

        Raises:
            Overloaded: The queue is full.
        """
        if first:
            job = self._job(None, None, lambda _: [work()])
            self._waiting.appendleft(job)
            self._arrived.set()
            done: T = await job.future
            return done
        done = await self.ask(None, None, lambda _: [work()])
        return done

    def _job(self, kind: Kind | None, question: Any, answer: Answer) -> _Job:
        return _Job(kind, question, answer, asyncio.get_running_loop().create_future())

    async def _run(self) -> None:
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            await self._slots.acquire()
            if self._limits.wait_s and len(self._waiting) < self._limits.batch_size:
                # Clients that were just answered tend to ask again at about the same time.
                await asyncio.sleep(self._limits.wait_s)
            batch = self._take()
            if not batch:
                self._slots.release()
            elif batch[0].kind is None:
                for _ in range(self._limits.parallel - 1):
                    await self._slots.acquire()
                await self._answer(batch, held=self._limits.parallel)
            else:
                task = asyncio.create_task(self._answer(batch, held=1))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    def _take(self) -> list[_Job]:
        """Take the oldest job and those of its kind, up to the next exclusive one."""
        batch: list[_Job] = []
        passed: list[_Job] = []
        while self._waiting and len(batch) < self._limits.batch_size:
            job = self._waiting[0]
            if job.future.done():
                self._waiting.popleft()
                continue
            if batch and (job.kind is None or batch[0].kind is None):
                break
            self._waiting.popleft()
            if not batch or job.kind == batch[0].kind:
                batch.append(job)
            else:
                passed.append(job)
        self._waiting.extendleft(reversed(passed))
        return batch

    async def _answer(self, batch: list[_Job], held: int) -> None:
        loop = asyncio.get_running_loop()
        try:
            outcomes = await loop.run_in_executor(self._executor, self._work, batch)
            for job, outcome in zip(batch, outcomes, strict=True):
                if job.future.done():
                    continue
                if isinstance(outcome, Exception):
                    job.future.set_exception(outcome)
                else:
                    job.future.set_result(outcome)
        finally:
            for _ in range(held):
                self._slots.release()

    def _work(self, batch: list[_Job]) -> list[Any]:
        """Answer a batch in this thread; exceptions are returned in place of answers."""
        answer, kind = batch[0].answer, batch[0].kind
        start = time.perf_counter()
        try:
            return list(answer([job.question for job in batch]))
        except EngineUnavailable as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            if not isinstance(error, GenrecError):
                return [error] * len(batch)
            # One question cannot be answered; the others still can.
            return [self._work([job])[0] for job in batch]
        finally:
            if kind is not None:
                self._metrics.batch_size.labels(kind.name).observe(len(batch))
                self._metrics.engine_seconds.labels(kind.name).observe(time.perf_counter() - start)
