"""Histories and catalogue to training samples: one sequence, the loss of every event in it.

A sample is a token sequence and, for every token, what kind of target it is. Kinds let one pass
train several tasks and weigh them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import NamedTuple

from genrec.batching import in_batches
from genrec.interests.summary.codec import SummaryCodec
from genrec.interests.summary.targets import make_target
from genrec.model.loss import Target
from genrec.schema import History, Item
from genrec.stream.encode import Encoder
from genrec.stream.templates import END_MARKER, MARKERS
from genrec.stream.windows import Segment, View, list_views

REVIEWS, TEXT_CHARS = 3, 200
"""Of each item that are read for its ID, and how much of each text."""
MOMENTS = 4
"""Of each history at which a summary is a sample."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One training sequence.

    Attributes:
        input_ids: Tokens.
        targets: ``Target`` of each token: whether its prediction is trained.
    """

    input_ids: list[int]
    targets: list[int]


class Window(NamedTuple):
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


def split_windows(segments: Sequence[Segment], limit: int) -> list[Window]:
    """Cut a history into windows in which every event is a target exactly once.

    Examples:
        >>> for window in split_windows([Segment([0] * 4, 4, 4)] * 4, limit=8):
        ...     print(window.view.start, window.first_target, window.end)
        0 0 3
        2 3 4
    """
    views = list_views(segments, limit)
    runs = (list(run) for _, run in groupby(range(len(segments)), key=views.__getitem__))
    return [Window(views[run[0]], run[0], run[-1] + 1) for run in runs]


def stream_samples(histories: Iterable[History], encoder: Encoder) -> Iterator[Sample]:
    """Yield the windows of each history; every event is a target exactly once."""
    for batch in in_batches(histories, 1024):
        for history, segments in zip(batch, encoder.segments(batch), strict=True):
            kinds = [_kinds(segment, encoder.renderer.table.num_levels) for segment in segments]
            yield from _windows(segments, kinds, encoder, history.about)


def pair_samples(histories: Iterable[History], encoder: Encoder) -> Iterator[Sample]:
    """Yield histories of two events; the second one's item is the target."""
    num_levels = encoder.renderer.table.num_levels
    for batch in in_batches(histories, 1024):
        for history, (first, second) in zip(batch, encoder.segments(batch), strict=True):
            kinds = [[int(Target.NONE)] * len(first.tokens), _kinds(second, num_levels)]
            yield from _windows([first, second], kinds, encoder, history.about)


def titled_samples(histories: Iterable[History], encoder: Encoder, seed: int) -> Iterator[Sample]:
    """Yield the windows of each history with every other item, by chance, written as its title.

    So titles follow IDs and IDs follow titles: what one says of a user's interests, the other does.
    """
    rng = random.Random(seed)
    num_levels = encoder.renderer.table.num_levels
    for batch in in_batches(histories, 1024):
        for history, segments in zip(batch, encoder.segments(batch), strict=True):
            written, kinds = [], []
            for event, segment in zip(history.events, segments, strict=True):
                titled = encoder.as_title(segment, event.item_id) if rng.random() < 0.5 else None
                written.append(titled or segment)
                kinds.append(
                    _kinds_of_titled(titled, segment.tokens.index(encoder.opening))
                    if titled
                    else _kinds(segment, num_levels)
                )
            yield from _windows(written, kinds, encoder, history.about)


def _windows(
    segments: Sequence[Segment], kinds: Sequence[list[int]], encoder: Encoder, about: str | None
) -> Iterator[Sample]:
    """Yield a history's windows, given the kind of target of each token of each event."""
    for window in split_windows(segments, encoder.event_limit):
        input_ids = encoder.join(segments[: window.end], window.view, about)
        targets = list(chain.from_iterable(kinds[window.first_target : window.end]))
        untrained = [int(Target.NONE)] * (len(input_ids) - len(targets))
        yield Sample(input_ids, untrained + targets)


def _kinds(segment: Segment, num_levels: int) -> list[int]:
    """Return the kind of target that each token of an event is."""
    before = segment.after_item - num_levels
    return (
        [int(Target.NONE)] * before
        + [int(Target.ITEM)] * num_levels
        + [int(Target.WORDS)] * (segment.after_words - segment.after_item)
        + [int(Target.REVIEW)] * (len(segment.tokens) - segment.after_words)
    )


def _kinds_of_titled(segment: Segment, marker: int) -> list[int]:
    """Return the same of an event with a title in its item's place, behind a marker."""
    return (
        [int(Target.NONE)] * (marker + 1)
        + [int(Target.TITLE)] * (segment.after_item - marker - 1)
        + [int(Target.REVIEW)] * (len(segment.tokens) - segment.after_item)
    )


def title_samples(items: Iterable[Item], encoder: Encoder) -> Iterator[Sample]:
    """Yield, for every titled item, its title given its ID and its ID given its title."""
    renderer = encoder.renderer
    for batch in in_batches((item for item in items if item.title), 1024):
        texts = [renderer.item_to_title(item.item_id, item.title or "") for item in batch]
        texts += [renderer.title_to_item(item.item_id, item.title or "") for item in batch]
        for input_ids in encoder.tokenize(texts):
            input_ids = input_ids[: encoder.context_tokens]
            yield Sample(input_ids, _after_last_marker(input_ids, encoder, Target.TITLE))


def text_samples(
    items: Iterable[Item], histories: Iterable[History], encoder: Encoder
) -> Iterator[Sample]:
    """Yield an item's ID given its categories, given its description, and given what users said.

    Args:
        items: The catalogue.
        histories: Whose reviews are read; of each item the first few.
        encoder: Tokenizes.
    """
    reviews: dict[str, list[str]] = defaultdict(list)
    for event in chain.from_iterable(history.events for history in histories):
        if event.opinion and len(reviews[event.item_id]) < REVIEWS:
            reviews[event.item_id].append(event.opinion)
    for batch in in_batches(items, 1024):
        told = [
            (item.item_id, text)
            for item in batch
            for text in (" · ".join(reversed(item.categories)), item.description)
            if text
        ]
        told += [(item.item_id, text) for item in batch for text in reviews.get(item.item_id, ())]
        texts = [encoder.renderer.text_to_item(*each, TEXT_CHARS) for each in told]
        for input_ids in encoder.tokenize(texts):
            if len(input_ids) <= encoder.context_tokens:
                yield Sample(input_ids, _after_last_marker(input_ids, encoder, Target.TITLE))


def interest_samples(histories: Iterable[History], encoder: Encoder, seed: int) -> Iterator[Sample]:
    """Yield, for every history, summaries of it at random moments.

    The answers are the data's own truth (``interests.summary.targets``): the interests counted
    then, and the events that came after.
    """
    rng = random.Random(seed)
    table, codec = encoder.renderer.table, SummaryCodec(encoder)
    for batch in in_batches(histories, 256):
        moments = [
            (History(history.user_id, history.events[:cut]), history.events[cut:])
            for history in batch
            for cut in _cuts(len(history.events), rng)
        ]
        questions = codec.questions([now for now, _ in moments])
        for (now, later), question in zip(moments, questions, strict=True):
            answer = codec.encode(make_target(now, later, question.first, table, rng))
            answer = answer[: encoder.context_tokens - len(question.prompt)]
            targets = [int(Target.NONE)] * len(question.prompt)
            yield Sample(question.prompt + answer, targets + [Target.INTERESTS] * len(answer))


def _cuts(count: int, rng: random.Random) -> list[int]:
    """Return how many events are past at each moment; some always come after."""
    return sorted(rng.sample(range(count), min(count, MOMENTS)))


def _after_last_marker(input_ids: Sequence[int], encoder: Encoder, kind: Target) -> list[int]:
    """Return targets that cover what follows the task's last marker before the end."""
    openers = {
        ids[0] for ids in encoder.tokenize([marker for marker in MARKERS if marker != END_MARKER])
    }
    last = max(index for index, token in enumerate(input_ids) if token in openers)
    return [int(Target.NONE)] * (last + 1) + [int(kind)] * (len(input_ids) - last - 1)
