"""An event loop in its own thread, so that synchronous code can wait for asynchronous code.

Connections belong to the loop they were made in. A single loop keeps them open between calls and
serves several threads at once.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from rich.errors import LiveError

from genrec.progress import progress

T = TypeVar("T")
Q = TypeVar("Q")


class EventLoop:
    """Runs coroutines; the thread starts with the first one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="genrec")
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine; interrupting the wait cancels it."""
        with self._lock:
            if not self._thread.is_alive():
                self._thread.start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """Stop the thread; nothing can be run after that."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)
        if not self._loop.is_running():
            self._loop.close()


async def gather_answers(
    questions: Sequence[Q],
    answer: Callable[[Q], Awaitable[T]],
    concurrency: int,
    description: str,
    note: Callable[[], str] = str,
) -> list[T]:
    """Answer questions concurrently, with a progress bar; the first error cancels the rest.

    Args:
        questions: Any number.
        answer: Answers one question.
        concurrency: Maximum number of questions in progress.
        description: Of the bar.
        note: Text beside the bar, updated after each answer.
    """
    slots = asyncio.Semaphore(concurrency)
    bar = progress()
    try:
        bar.start()
    except LiveError:
        # The caller already shows a bar.
        bar = progress()
        bar.disable = True
    task = bar.add_task(description, total=len(questions), note="")

    async def answer_one(question: Q) -> T:
        async with slots:
            result = await answer(question)
        bar.update(task, advance=1, note=note())
        return result

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answer_one(question)) for question in questions]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        bar.stop()
    return [task.result() for task in tasks]
