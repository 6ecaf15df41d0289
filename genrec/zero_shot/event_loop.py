"""One event loop in a thread of its own, so that code which is not async can wait for code that is.

Connections belong to the loop they were made in; with one loop they outlive a single question, and
several threads may ask at once.
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
    """Runs coroutines; starts with the first one."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="genrec")
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine; an interrupted wait cancels it."""
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
        """Stop the thread; nothing may be asked any more."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)
        if not self._loop.is_running():
            self._loop.close()


async def gather_answers(
    questions: Sequence[Q],
    answer: Callable[[Q], Awaitable[T]],
    at_once: int,
    description: str,
    note: Callable[[], str] = str,
) -> list[T]:
    """Answer questions, several at once, behind a progress bar.

    The first error that is raised stops the rest.

    Args:
        questions: In any number.
        answer: Of one.
        at_once: Most under way at the same time.
        description: Of the bar.
        note: What the bar says beside it.
    """
    free = asyncio.Semaphore(at_once)
    bar = progress()
    try:
        bar.start()
    except LiveError:
        # Whoever asked shows a bar already.
        bar = progress()
        bar.disable = True
    task = bar.add_task(description, total=len(questions), note="")

    async def one(question: Q) -> T:
        async with free:
            found = await answer(question)
        bar.update(task, advance=1, note=note())
        return found

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(question)) for question in questions]
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    finally:
        bar.stop()
    return [task.result() for task in tasks]
