"""Work on the next thing while this one is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(calls: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Yield what calls return, in their order; the next one runs in a thread meanwhile.

    Examples:
        >>> list(read_ahead([lambda: "this", lambda: "that"]))
        ['this', 'that']
    """
    with ThreadPoolExecutor(1) as reader:
        current: Future[T] | None = None
        for call in calls:
            coming = reader.submit(call)
            if current is not None:
                yield current.result()
            current = coming
        if current is not None:
            yield current.result()
