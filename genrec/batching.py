"""Batches: of a fixed size, of like length, or as large as a rule allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the items in their order, ``size`` at a time.

    Examples:
        >>> list(in_batches("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def pack(items: Iterable[T], fits: Callable[[list[T]], bool]) -> Iterator[list[T]]:
    """Yield the items in their order, in batches as long as ``fits`` allows.

    Args:
        items: Best sorted so that neighbours go well together.
        fits: Whether a batch of several items is acceptable; an item alone always is.
    """
    batch: list[T] = []
    for item in items:
        if batch and not fits([*batch, item]):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def batch_by_length(
    lengths: Sequence[int],
    *,
    max_size: int | None = None,
    max_tokens: int | None = None,
    longest_first: bool = False,
) -> Iterator[list[int]]:
    """Group sequences of similar length, so that little padding is computed.

    Args:
        lengths: Tokens of each sequence.
        max_size: Most sequences in a batch; None: any number.
        max_tokens: Most tokens in a batch, padding included; None: any number. A longer sequence
            is a batch of its own.
        longest_first: Whether batches are yielded in descending order of length.

    Yields:
        Indices of the sequences.

    Examples:
        >>> list(batch_by_length([3, 9, 4, 1], max_tokens=12))
        [[3, 0, 2], [1]]
    """

    def fits(batch: list[int]) -> bool:
        width = max(lengths[batch[0]], lengths[batch[-1]])
        return (max_size is None or len(batch) <= max_size) and (
            max_tokens is None or len(batch) * width <= max_tokens
        )

    order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=longest_first)
    return pack(order, fits)
