"""Which events of a long history the model sees: whole events, dropped from the front in blocks.

The rule looks only at the events *before* the one to be predicted, so training and serving cut at
the same places, and a prompt keeps its first tokens (and a cache its keys) between two drops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """A run of events that is read as one sequence.

    Attributes:
        start: First event visible.
        first_target: First event that is predicted from this window; those before were predicted
            from earlier windows.
        end: One past the last event.
    """

    start: int
    first_target: int
    end: int


def visible_start(lengths: Sequence[int], limit: int) -> int:
    """Return the first event visible to whoever asks for the event after ``lengths``.

    Args:
        lengths: Tokens of each event so far.
        limit: Most tokens of events a prompt may hold. On passing it, events are dropped until
            half of it is left.
    """
    return visible_starts(lengths, limit)[-1]


def split_windows(lengths: Sequence[int], limit: int) -> list[Window]:
    """Cut a history into windows in which every event is a target exactly once.

    Examples:
        >>> split_windows([4, 4, 4, 4], limit=8)
        [Window(start=0, first_target=0, end=3), Window(start=2, first_target=3, end=4)]
    """
    starts = visible_starts(lengths, limit)[: len(lengths)]
    windows = []
    first = 0
    for index in range(1, len(starts) + 1):
        if index == len(starts) or starts[index] != starts[first]:
            windows.append(Window(starts[first], first, index))
            first = index
    return windows


def visible_starts(lengths: Sequence[int], limit: int) -> list[int]:
    """Return, for every event and for the one to come, the first event visible to it."""
    starts = [0]
    start, total = 0, 0
    for index, length in enumerate(lengths):
        total += length
        if total > limit:
            while start <= index and total > limit // 2:
                total -= lengths[start]
                start += 1
        starts.append(start)
    return starts
