"""How a user feels about each of their interests, over time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from genrec.graph.words.sentiment import Sentiment
from genrec.interests.explain.shared_prefix import NamedCodes
from genrec.interests.profile.interests import HALF_LIFE_EVENTS
from genrec.schema import History, SemanticId


@dataclass(frozen=True)
class InterestMood:
    """A user's sentiment about one interest.

    Attributes:
        prefix: Semantic-ID prefix.
        name: Words for it.
        timestamps: Of the events that tell, oldest first, seconds.
        scores: Of these events, -1 to 1.
        course: Mean up to each of them, older ones fading.
        silent: Events under the interest that tell nothing.
    """

    prefix: SemanticId
    name: str
    timestamps: tuple[int, ...] = field(repr=False)
    scores: tuple[float, ...] = field(repr=False)
    course: tuple[float, ...] = field(repr=False)
    silent: int

    @property
    def now(self) -> float | None:
        """The mean after the last event, -1 to 1; None where no event tells."""
        return self.course[-1] if self.course else None


def follow_moods(
    history: History, table: NamedCodes, sentiment: Sentiment | None = None, depth: int = 1
) -> list[InterestMood]:
    """Return a user's sentiment per interest, those with most events first.

    An event's part halves with every ``HALF_LIFE_EVENTS`` telling events of the interest after it.

    Args:
        history: Events, oldest first; events of items the table does not know are passed over.
        table: Semantic IDs.
        sentiment: Scores events; None: with the default range of ratings.
        depth: Length of the prefixes that are interests.
    """
    sentiment = sentiment or Sentiment()
    scored: dict[SemanticId, list[tuple[int, float | None]]] = defaultdict(list)
    for event in history.events:
        if table.knows(event.item_id):
            prefix = table.codes_of(event.item_id)[:depth]
            scored[prefix].append((event.timestamp, sentiment.of_event(event)))
    moods = []
    for prefix, entries in sorted(scored.items(), key=lambda one: (-len(one[1]), one[0])):
        telling = [(time, score) for time, score in entries if score is not None]
        times, scores = zip(*telling, strict=True) if telling else ((), ())
        moods.append(
            InterestMood(
                prefix,
                table.name_of(prefix),
                times,
                scores,
                _course(scores),
                len(entries) - len(telling),
            )  # fmt: skip
        )
    return moods


def _course(scores: tuple[float, ...]) -> tuple[float, ...]:
    kept = 0.5 ** (1 / HALF_LIFE_EVENTS)
    course, weighted, total = [], 0.0, 0.0
    for score in scores:
        weighted, total = weighted * kept + score, total * kept + 1
        course.append(weighted / total)
    return tuple(course)
