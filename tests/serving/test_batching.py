"""How questions become batches; the engine here is a function that the test watches."""

import asyncio
import threading
import time

import pytest

from genrec.errors import DataError, EngineUnavailable
from genrec.serving.batching import Batcher, Kind, Limits
from genrec.serving.errors import Overloaded
from genrec.serving.monitoring import Metrics

ITEMS, TEXT = Kind("items"), Kind("text")


class Engine:
    """Answers with ten times the number; remembers its batches and who was inside at once."""

    def __init__(self, seconds=0.02):
        self.batches, self.inside, self.most = [], 0, 0
        self._seconds, self._lock = seconds, threading.Lock()

    def __call__(self, questions):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.batches.append(list(questions))
        time.sleep(self._seconds)
        with self._lock:
            self.inside -= 1
        if "unanswerable" in questions:
            raise DataError("no such thing")
        if "broken" in questions:
            raise ZeroDivisionError
        if "away" in questions:
            raise EngineUnavailable("not now")
        return [question * 10 for question in questions]


def run(scenario, **limits):
    """Run a scenario with a batcher that is started and stopped."""
    defaults = {"batch_size": 8, "wait_s": 0, "parallel": 1, "queue_size": 100, "timeout_s": 5}

    async def main():
        batcher = Batcher(Limits(**(defaults | limits)), Metrics())
        batcher.start()
        try:
            return await scenario(batcher)
        finally:
            await batcher.stop()

    return asyncio.run(main())


def test_what_arrives_while_the_engine_works_becomes_one_batch():
    engine = Engine(0.2)

    async def scenario(batcher):
        first = asyncio.create_task(batcher.ask(ITEMS, 0, engine))
        await asyncio.sleep(0.01)
        rest = [batcher.ask(ITEMS, number, engine) for number in range(1, 12)]
        return [await first, *await asyncio.gather(*rest)]

    assert run(scenario) == [number * 10 for number in range(12)]
    assert engine.batches == [[0], list(range(1, 9)), [9, 10, 11]]


def test_a_free_engine_waits_a_moment_for_company():
    engine = Engine()

    async def scenario(batcher):
        async def later(number):
            await asyncio.sleep(number * 0.002)
            return await batcher.ask(ITEMS, number, engine)

        await asyncio.gather(*(later(number) for number in range(4)))

    run(scenario, wait_s=0.1)
    assert engine.batches == [[0, 1, 2, 3]]


def test_kinds_do_not_share_a_batch_and_keep_their_order():
    engine = Engine()

    async def scenario(batcher):
        asks = [(ITEMS, 1), (TEXT, 2), (ITEMS, 3), (TEXT, 4), (Kind("items", 7), 5)]
        return await asyncio.gather(*(batcher.ask(kind, value, engine) for kind, value in asks))

    assert run(scenario) == [10, 20, 30, 40, 50]
    assert engine.batches == [[1, 3], [2, 4], [5]]


@pytest.mark.parametrize("parallel", [1, 3])
def test_what_must_run_alone_does_between_what_came_before_and_after(parallel):
    engine = Engine(0.05)
    seen = []

    async def scenario(batcher):
        def work():
            seen.append((engine.inside, sum(map(len, engine.batches))))
            time.sleep(0.05)
            seen.append((engine.inside, sum(map(len, engine.batches))))

        before = [batcher.ask(Kind("items", number), number, engine) for number in range(5)]
        after = [batcher.ask(ITEMS, number, engine) for number in range(5)]
        await asyncio.gather(*before, batcher.exclusive(work), *after)

    run(scenario, parallel=parallel)
    assert seen == [(0, 5), (0, 5)]
    assert engine.most == parallel


def test_what_goes_first_passes_all_that_waits_even_a_full_queue():
    engine = Engine(0.05)
    seen = []

    async def scenario(batcher):
        running = asyncio.ensure_future(batcher.ask(ITEMS, 0, engine))
        await asyncio.sleep(0.02)
        waiting = [asyncio.ensure_future(batcher.ask(Kind("a", n), n, engine)) for n in range(4)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await batcher.exclusive(lambda: None)
        await batcher.exclusive(lambda: seen.append(sum(map(len, engine.batches))), first=True)
        return await asyncio.gather(running, *waiting)

    assert run(scenario, queue_size=4) == [0, 0, 10, 20, 30]
    assert seen == [1]


def test_a_question_that_cannot_be_answered_harms_no_other():
    engine = Engine()

    async def scenario(batcher):
        asks = [batcher.ask(ITEMS, one, engine) for one in (1, "unanswerable", 3)]
        return await asyncio.gather(*asks, return_exceptions=True)

    first, fault, last = run(scenario)
    assert (first, last) == (10, 30) and isinstance(fault, DataError)


@pytest.mark.parametrize(
    ("word", "error"), [("away", EngineUnavailable), ("broken", ZeroDivisionError)]
)
def test_an_engine_that_fails_fails_the_batch_once_and_goes_on(word, error):
    engine = Engine()

    async def scenario(batcher):
        asks = [batcher.ask(ITEMS, one, engine) for one in (1, word)]
        found = await asyncio.gather(*asks, return_exceptions=True)
        return [*found, await batcher.ask(ITEMS, 2, engine)]

    *faults, answer = run(scenario)
    assert all(isinstance(fault, error) for fault in faults) and answer == 20
    assert len(engine.batches) == 2


def test_too_many_waiting_are_refused_at_once():
    engine = Engine(0.2)

    async def scenario(batcher):
        asks = [asyncio.create_task(batcher.ask(ITEMS, number, engine)) for number in range(10)]
        return await asyncio.gather(*asks, return_exceptions=True)

    found = run(scenario, queue_size=4, batch_size=2)
    assert [answer for answer in found if not isinstance(answer, Overloaded)] == [0, 10, 20, 30]


def test_a_wait_has_an_end_and_what_nobody_waits_for_is_not_asked():
    engine = Engine(0.2)

    async def scenario(batcher):
        first = asyncio.create_task(batcher.ask(ITEMS, 1, engine))
        await asyncio.sleep(0.02)
        late = batcher.ask(ITEMS, 2, engine)
        return await asyncio.gather(first, late, return_exceptions=True)

    found = run(scenario, timeout_s=0.1)
    assert all(isinstance(one, Overloaded) for one in found)
    assert engine.batches == [[1]]


def test_stopping_refuses_what_waits_and_finishes_what_runs():
    engine = Engine(0.1)

    async def scenario(batcher):
        asks = [asyncio.create_task(batcher.ask(ITEMS, number, engine)) for number in range(3)]
        await asyncio.sleep(0.05)
        await batcher.stop()
        return await asyncio.gather(*asks, return_exceptions=True)

    first, *rest = run(scenario, batch_size=1)
    assert first == 0 and all(isinstance(one, Overloaded) for one in rest)
