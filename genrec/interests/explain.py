"""Why an item, asked of the decoder itself: delete each event and score the item again.

Enters: requests, items, whoever can score an item under a request. Leaves: what each event does to
the item's log-probability, and the few events that raise it most. Nothing is guessed: every number
is a difference of two answers of one model to one question, with and without some events.

The question stays the same while events are deleted: its moment, its kind of act and its filters
are those of the whole history. The event after a deleted one is read with the time since the one
before.

Effects of single events do not add up to that of the whole history (two events may say the same,
and either suffices); what is left over is reported as the residual.

Source: leave-one-out attribution, as in "Understanding Neural Networks through Representation
Erasure", arXiv 1612.08220.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from genrec.errors import DataError
from genrec.interests.because import Named, write_sentence
from genrec.interests.reasons import NamedCodes, Reason, find_reason
from genrec.schema import Event, Request, SemanticId

MAX_EVIDENCE = 3
MAX_EVENTS = 100
MIN_EFFECT = 0.05
"""Nats; what moves the odds by less than a twentieth is not named."""

NOTHING: frozenset[int] = frozenset()

Score = Callable[[Sequence[Request], Sequence[str]], Sequence[float]]
"""Log-probabilities of items, one for each request."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What one event does to an item's log-probability.

    Attributes:
        place: Of the event in its history, 0 the oldest.
        event: The event.
        title: Of its item, for people.
        nats: What the item's log-probability loses when the event is deleted: above 0 the event
            raised it.
    """

    place: int
    event: Event = field(repr=False)
    title: str
    nats: float


@dataclass(frozen=True)
class Explanation:
    """Why an item.

    Attributes:
        item_id: External ID.
        title: For people.
        score: Its log-probability, nats.
        empty_score: The same for somebody without a history.
        effects: Of each of the newest ``MAX_EVENTS`` events, oldest first.
        num_older: Events before those; none was deleted by itself.
        evidence: At most ``MAX_EVIDENCE`` events that raised it, most first; their nats are what
            it loses when each is deleted after those before, at least ``MIN_EFFECT``.
        interest: Name of the longest named prefix it shares with the evidence, else with any event.
        prefix: That prefix; empty where its first code is shared with no event.
        sentence: One true sentence.
        path: From the user to the item in the interest graph; empty where nobody asked the graph.
    """

    item_id: str
    title: str
    score: float
    empty_score: float
    effects: tuple[Effect, ...] = field(repr=False)
    num_older: int
    evidence: tuple[Effect, ...]
    interest: str | None
    prefix: SemanticId
    sentence: str
    path: tuple[str, ...] = ()

    @property
    def whole(self) -> float:
        """What the whole history does to the item's log-probability, nats."""
        return self.score - self.empty_score

    @property
    def parts(self) -> float:
        """The sum of all events' effects, nats."""
        return sum(effect.nats for effect in self.effects)

    @property
    def joint(self) -> float:
        """What the item's log-probability loses when all of the evidence is deleted, nats."""
        return sum(effect.nats for effect in self.evidence)

    @property
    def residual(self) -> float:
        """What the effects of single events leave unexplained of the whole, nats."""
        return self.whole - self.parts

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "item_id": self.item_id,
            "title": self.title,
            "sentence": self.sentence,
            "interest": self.interest,
            "prefix": list(self.prefix),
            "score": self.score,
            "empty_score": self.empty_score,
            "whole": self.whole,
            "parts": self.parts,
            "residual": self.residual,
            "joint": self.joint,
            "evidence": [_to_json(effect) for effect in self.evidence],
            "effects": [_to_json(effect) for effect in self.effects],
            "num_older": self.num_older,
            "path": list(self.path),
        }


def explain_items(
    questions: Sequence[tuple[Request, str]],
    score: Score,
    table: NamedCodes,
    label: Callable[[str], str],
) -> list[Explanation]:
    """Explain items.

    The evidence is chosen greedily: the event whose deletion costs the item most, then the one that
    costs most once that is gone, so that two events that say the same are both found.

    Args:
        questions: Requests with an item each.
        score: Asked ``MAX_EVIDENCE`` times, for all questions at once.
        table: Semantic IDs and the names of prefixes.
        label: An item's title.

    Raises:
        DataError: A request's filters forbid its item.
    """
    asked = [_Question(request, item_id) for request, item_id in questions]
    _score_all(
        asked, score, [[NOTHING, question.everything, *question.next()] for question in asked]
    )
    for question in asked:
        if question.scores[NOTHING] == -math.inf:
            raise DataError(
                f"the filters forbid item '{question.item_id}', so nothing speaks for it; explain "
                "an item that can be recommended"
            )
    for number in range(MAX_EVIDENCE):
        if number:
            _score_all(asked, score, [question.next() for question in asked])
        for question in asked:
            if not question.is_done:
                question.choose()
    return [question.conclude(table, label) for question in asked]


def fix_question(request: Request, item_id: str) -> Request:
    """Say moment, kind of act and filters outright, so that they outlive deleted events.

    An item that was met already is explained as one that may come again.
    """
    events = request.history.events
    at, event_type, exclude = request.at, request.event_type, request.exclude
    if events and at is None:
        at = events[-1].timestamp
    if events and not event_type:
        event_type = events[-1].event_type
    if not request.repeats:
        exclude = exclude.union({event.item_id for event in events} - {item_id})
    return replace(request, at=at, event_type=event_type, exclude=exclude, repeats=True)


class _Question:
    """One item of one request, and its scores under every deletion asked about so far."""

    def __init__(self, request: Request, item_id: str) -> None:
        events = request.history.events
        self.request = fix_question(request, item_id)
        self.item_id = item_id
        self.everything = frozenset(range(len(events)))
        self.places = range(max(len(events) - MAX_EVENTS, 0), len(events))
        self.scores: dict[frozenset[int], float] = {}
        self.chosen: dict[int, float] = {}
        self.is_done = False

    def next(self) -> list[frozenset[int]]:
        """Return the deletions among which to choose the next event of the evidence."""
        if self.is_done:
            return []
        rest = (place for place in self.places if place not in self.chosen)
        return [frozenset([*self.chosen, place]) for place in rest]

    def choose(self) -> None:
        """Take the event whose deletion costs the item most, if any costs it enough."""
        now = self.scores[frozenset(self.chosen)]
        rest = [place for place in self.places if place not in self.chosen]
        drops = {place: now - self.scores[frozenset([*self.chosen, place])] for place in rest}
        best = max(drops, key=drops.__getitem__, default=None)
        if best is None or drops[best] < MIN_EFFECT:
            self.is_done = True
        else:
            self.chosen[best] = drops[best]

    def conclude(self, table: NamedCodes, label: Callable[[str], str]) -> Explanation:
        """Put the scores into words."""
        events, score = self.request.history.events, self.scores[NOTHING]
        effects = {
            place: Effect(
                place,
                events[place],
                label(events[place].item_id),
                score - self.scores[frozenset([place])],
            )
            for place in self.places
        }
        chosen = [replace(effects[place], nats=nats) for place, nats in self.chosen.items()]
        codes, history = table.codes_of(self.item_id), self.request.history
        evidence = replace(history, events=tuple(effect.event for effect in chosen))
        reason = find_reason(codes, evidence, table)
        shared = reason or find_reason(codes, history, table)
        empty_score = self.scores[self.everything]
        named = [
            Named(effect.event.event_type, effect.title, _shares(effect, reason, table))
            for effect in chosen
        ]
        sentence = write_sentence(
            named,
            reason.interest if reason else None,
            sum(self.chosen.values()),
            score - empty_score,
            len(events),
        )
        return Explanation(
            item_id=self.item_id,
            title=label(self.item_id),
            score=score,
            empty_score=empty_score,
            effects=tuple(effects.values()),
            num_older=len(events) - len(effects),
            evidence=tuple(chosen),
            interest=None if shared is None else shared.interest,
            prefix=() if shared is None else shared.prefix,
            sentence=sentence,
        )


def _shares(effect: Effect, reason: Reason | None, table: NamedCodes) -> bool:
    if reason is None:
        return False
    return table.codes_of(effect.event.item_id)[: len(reason.prefix)] == reason.prefix


def _score_all(
    asked: Sequence[_Question], score: Score, deletions: Sequence[Sequence[frozenset[int]]]
) -> None:
    """Score every question's item under its deletions, in one call."""
    wanted = [
        (question, deleted)
        for question, of_question in zip(asked, deletions, strict=True)
        for deleted in dict.fromkeys(of_question)
        if deleted not in question.scores
    ]
    requests = [
        replace(question.request, history=question.request.history.without(deleted))
        for question, deleted in wanted
    ]
    found = score(requests, [question.item_id for question, _ in wanted])
    for (question, deleted), one in zip(wanted, found, strict=True):
        question.scores[deleted] = one


def _to_json(effect: Effect) -> dict[str, Any]:
    event = effect.event
    return {
        "place": effect.place,
        "item_id": event.item_id,
        "title": effect.title,
        "timestamp": event.timestamp,
        "event_type": event.event_type,
        "nats": effect.nats,
    }
