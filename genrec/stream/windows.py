"""What of a long history the model sees: whole events, cut at the front in blocks.

Where the context is full, old events lose the words of their items first; what is then still too
much is dropped, event by event. The rule looks only at the events *before* the one to be
predicted, so training and serving cut at the same places, and a prompt keeps its first tokens (and
a cache its keys) between two cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Length(NamedTuple):
    """Tokens of an event.

    Attributes:
        bare: Without the words of its item.
        words: Of its item.
    """

    bare: int
    words: int = 0


class View(NamedTuple):
    """What is seen of a history.

    Attributes:
        start: First event seen.
        worded: First event whose item's words are seen, too; ``start`` or later.
    """

    start: int = 0
    worded: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A run of events that is read as one sequence.

    Attributes:
        view: What is seen of it.
        first_target: First event that is predicted from this window; those before were predicted
            from earlier windows. Its words, and those of the events after it, are always seen.
        end: One past the last event.
    """

    view: View
    first_target: int
    end: int


def split_windows(lengths: Sequence[Length], limit: int) -> list[Window]:
    """Cut a history into windows in which every event is a target exactly once.

    Examples:
        >>> for window in split_windows([Length(4)] * 4, limit=8):
        ...     print(window.view.start, window.first_target, window.end)
        0 0 3
        2 3 4
    """
    views = list_views(lengths, limit)[: len(lengths)]
    windows = []
    first = 0
    for index in range(1, len(views) + 1):
        if index == len(views) or views[index] != views[first]:
            windows.append(Window(views[first], first, index))
            first = index
    return windows


def list_views(lengths: Sequence[Length], limit: int) -> list[View]:
    """Return what every event, and the one to come, sees of the events before it.

    Args:
        lengths: Tokens of each event so far.
        limit: Most tokens of events a prompt may hold. On passing it, words are taken from old
            events until those left take a quarter of it, and events are dropped until half of it
            is left.
    """
    views = [View()]
    start, worded, total, of_words = 0, 0, 0, 0
    for index, (bare, words) in enumerate(lengths):
        total += bare + words
        of_words += words
        if total > limit:
            while of_words > limit // 4:
                of_words -= lengths[worded].words
                total -= lengths[worded].words
                worded += 1
            while start <= index and total > limit // 2:
                if start == worded:
                    of_words -= lengths[start].words
                    total -= lengths[start].words
                    worded += 1
                total -= lengths[start].bare
                start += 1
        views.append(View(start, worded))
    return views
