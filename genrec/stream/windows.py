"""Events in tokens, and which of them a prompt holds.

Of a long history the model sees whole events, cut at the front in blocks. Where the context is
full, old events lose the words of their items first; what is then still too much is dropped, event
by event. The rule looks only at the events *before* the one to be predicted, so training and
serving cut at the same places, and a prompt keeps its first tokens (and a cache its keys) between
two cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Segment:
    """One event in tokens, after the searches that led to it.

    Attributes:
        tokens: All of them.
        after_item: Place after the last token of the item's ID: where its words begin.
        after_words: Place after the last token of the item's words.
    """

    tokens: list[int]
    after_item: int
    after_words: int

    @property
    def bare(self) -> list[int]:
        """The tokens without the item's words."""
        return self.tokens[: self.after_item] + self.tokens[self.after_words :]


class View(NamedTuple):
    """What is seen of a history.

    Attributes:
        start: First event seen.
        worded: First event whose item's words are seen, too; ``start`` or later.
    """

    start: int = 0
    worded: int = 0


def list_views(segments: Sequence[Segment], limit: int) -> list[View]:
    """Return what every event, and the one to come, sees of the events before it.

    Args:
        segments: The events so far.
        limit: Most tokens of events a prompt may hold. On passing it, words are taken from old
            events until those left take a quarter of it, and events are dropped until half of it
            is left.
    """
    views = [View()]
    words = [segment.after_words - segment.after_item for segment in segments]
    start, worded, total, of_words = 0, 0, 0, 0
    for index, segment in enumerate(segments):
        total += len(segment.tokens)
        of_words += words[index]
        if total > limit:
            while of_words > limit // 4:
                of_words -= words[worded]
                total -= words[worded]
                worded += 1
            while start <= index and total > limit // 2:
                if start == worded:
                    of_words -= words[start]
                    total -= words[start]
                    worded += 1
                total -= len(segments[start].tokens) - words[start]
                start += 1
        views.append(View(start, worded))
    return views
