"""Why an item, asked of the decoder itself: delete each event and score the item again.

Enters: requests, items, whoever can score an item under a request. Leaves: what each event does to
the item's log-probability, and the few events that raise it most. Nothing is guessed: every number
is a difference of two answers of one model to one question, with and without some events.

The question stays the same while events are deleted: its moment, its kind of act, its filters and
what is read of the history (its first event, and the first whose item's words are read) are those
of the whole history. The event after a deleted one is read
with the time since the one before.

Effects of single events do not add up to that of the whole history (two events may say the same,
and either suffices); what is left over is reported as the residual.

Source: leave-one-out attribution, as in "Understanding Neural Networks through Representation
Erasure", arXiv 1612.08220.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from genrec.display import HtmlRepr, ShortRepr, Table, day
from genrec.errors import DataError
from genrec.interests.explain.explanation_text import Named, write_sentence
from genrec.interests.explain.plot import Bar, plot_effects
from genrec.interests.explain.scored import Score, Scored
from genrec.interests.explain.shared_prefix import Reason, find_reason
from genrec.interests.explain.wish_words import WishEffect, weigh_wishes
from genrec.schema import Event, Request, SemanticId
from genrec.semantic_ids.table import NamedCodes
from genrec.stream.windows import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_EVIDENCE = 3
MIN_EFFECT = 0.05
"""Nats; what moves the odds by less than a twentieth is not named."""
WIDTH = 3

NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, repr=False)
class Effect(ShortRepr):
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


@dataclass(frozen=True, repr=False)
class Explanation(ShortRepr, HtmlRepr):
    """Why an item.

    Attributes:
        item_id: External ID.
        title: For people.
        score: Its log-probability, nats.
        empty_score: The same for somebody without a history.
        effects: Of each event that the model reads, oldest first.
        num_unread: Events before those, for which the model has no room.
        evidence: The at most ``MAX_EVIDENCE`` events that together raised it most, by their own
            effects; empty where no such set did by ``MIN_EFFECT``.
        joint: What its log-probability loses when all of the evidence is deleted, nats.
        interest: Name of the longest named prefix it shares with the evidence, else with any event.
        prefix: That prefix; empty where its first code is shared with no event.
        sentence: One true sentence.
        path: From the user to the item in the interest graph, over the user's own events; empty
            where none leads there, or nobody asked the graph.
    """

    item_id: str
    title: str
    score: float
    empty_score: float
    effects: tuple[Effect, ...] = field(repr=False)
    num_unread: int
    evidence: tuple[Effect, ...]
    joint: float
    interest: str | None
    prefix: SemanticId
    sentence: str
    path: tuple[str, ...] = ()
    wish: WishEffect | None = None

    @property
    def whole(self) -> float:
        """What the whole history does to the item's log-probability, nats."""
        return self.score - self.empty_score

    @property
    def parts(self) -> float:
        """The sum of all events' effects, nats."""
        return sum(effect.nats for effect in self.effects)

    @property
    def residual(self) -> float:
        """What the effects of single events leave unexplained of the whole, nats."""
        return self.whole - self.parts

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw what the events do to the item, the evidence in full colour.

        Args:
            ax: Where to draw; None: a new figure.

        Returns:
            The axes.

        Raises:
            ConfigError: No event to draw, or matplotlib is not installed.
        """
        named = {effect.place for effect in self.evidence}
        bars = [
            Bar(f"{effect.place + 1} · {effect.title}", effect.nats, effect.place in named)
            for effect in self.effects
        ]
        return plot_effects(bars, f"Why {self.title}", ax)

    def _shown(self) -> Iterator[str | Table]:
        yield self.sentence
        named = {effect.place for effect in self.evidence}
        rows = (
            (
                effect.place + 1,
                day(effect.event.timestamp),
                effect.event.event_type or "",
                effect.title,
                f"{effect.nats:+.2f}",
                "yes" if effect.place in named else "",
            )
            for effect in self.effects
        )
        header = ("#", "day", "event", "item", "nats", "evidence")
        yield Table(header, rows, f"Why {self.title}")
        if self.wish is not None:
            words = ((effect.word, f"{effect.nats:+.2f}") for effect in self.wish.words)
            yield Table(("word of the wish", "nats"), words)
        yield f"log-probability {self.score:.2f}, without any history {self.empty_score:.2f}"

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
            "num_unread": self.num_unread,
            "path": list(self.path),
            "wish": None if self.wish is None else asdict(self.wish),
        }


class Attribution:
    """One item of one request, and its scores under every deletion asked about so far.

    Attributes:
        request: Says moment, kind of act and filters outright, so that they outlive deleted
            events. An item that was met already is explained as one that may come again.
        item_id: External ID.
        places: Of the events that are read, in the whole history.
        scores: Log-probability of the item by deleted places.
        best: The deletions that cost the item most so far, most first; all of one size.
        chosen: That of the evidence.
    """

    def __init__(self, request: Request, item_id: str, view: View) -> None:
        """Take a request, an item and what is read of the history."""
        events = request.history.events
        at, event_type, exclude = request.at, request.event_type, request.exclude
        if events and at is None:
            at = events[-1].timestamp
        if events and not event_type:
            event_type = events[-1].event_type
        if request.filter_seen:
            exclude = exclude.union({event.item_id for event in events} - {item_id})
        self.request = replace(
            request, at=at, event_type=event_type, exclude=exclude, filter_seen=False
        )
        self.item_id = item_id
        self.places = range(view.start, len(events))
        self.scores: dict[frozenset[int], float] = {}
        self.best = [NOTHING]
        self.chosen = NOTHING
        # One that is not read tells the first that is how much time passed before it.
        self._unread = max(view.start - 1, 0)
        self._view = view

    @property
    def everything(self) -> frozenset[int]:
        """All places that are read."""
        return frozenset(self.places)

    @property
    def whole(self) -> Scored:
        """The item, scored with nothing deleted."""
        request, view = self.without(NOTHING)
        return Scored(request, self.item_id, view, self.scores[NOTHING])

    def without(self, deleted: frozenset[int]) -> tuple[Request, View]:
        """Return the request with events deleted, and what is then read of the history."""
        history = self.request.history
        if deleted == self.everything:
            nothing = history.without(range(len(history.events)))
            return replace(self.request, history=nothing), View()
        gone = {*range(self._unread), *deleted}
        start, worded = (place - sum(one < place for one in gone) for place in self._view)
        return replace(self.request, history=history.without(gone)), View(start, worded)

    def drop(self, deleted: frozenset[int]) -> float:
        """Return what the item's log-probability loses by a deletion, nats."""
        return self.scores[NOTHING] - self.scores[deleted]

    def next(self) -> list[frozenset[int]]:
        """Return the best deletions with one more event each."""
        return [
            deleted | {place}
            for deleted in self.best
            for place in self.places
            if place not in deleted
        ]

    def choose(self) -> None:
        """Keep the best of ``next``; one more event joins the evidence only if it adds to it."""
        ranked = sorted(dict.fromkeys(self.next()), key=self.scores.__getitem__)
        self.best = ranked[:WIDTH]
        if ranked and self.drop(ranked[0]) >= self.drop(self.chosen) + MIN_EFFECT:
            self.chosen = ranked[0]

    def conclude(
        self, table: NamedCodes, label: Callable[[str], str], wish: WishEffect | None = None
    ) -> Explanation:
        """Put the scores into words."""
        events, score = self.request.history.events, self.scores[NOTHING]
        effects = {
            place: Effect(
                place,
                events[place],
                label(events[place].item_id),
                self.drop(frozenset([place])),
            )
            for place in self.places
        }
        chosen = sorted((effects[place] for place in self.chosen), key=lambda one: -one.nats)
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
            self.drop(self.chosen),
            score - empty_score,
            len(events),
        )
        if wish is not None:
            sentence += " " + wish.sentence(MIN_EFFECT)
        return Explanation(
            item_id=self.item_id,
            title=label(self.item_id),
            score=score,
            empty_score=empty_score,
            effects=tuple(effects.values()),
            num_unread=self.places.start,
            evidence=tuple(chosen),
            joint=self.drop(self.chosen),
            interest=None if shared is None else shared.interest,
            prefix=() if shared is None else shared.prefix,
            sentence=sentence,
            wish=wish,
        )


def explain_items(
    attributions: Sequence[Attribution],
    score: Score,
    table: NamedCodes,
    label: Callable[[str], str],
) -> list[Explanation]:
    """Explain items.

    The evidence is searched for: deletions of one event, of two and of three, each size from the
    ``WIDTH`` best of the size before, so that two events that say the same are both found though
    neither costs anything alone.

    Args:
        attributions: New ones.
        score: Asked ``MAX_EVIDENCE`` times, and once more for wishes, for all of them at once.
        table: Semantic IDs and the names of prefixes.
        label: An item's title.

    Raises:
        DataError: A request's filters forbid its item.
    """
    ends = [[NOTHING, attribution.everything] for attribution in attributions]
    for size in range(MAX_EVIDENCE):
        deletions = [attribution.next() for attribution in attributions]
        if size == 0:
            deletions = [[*both, *single] for both, single in zip(ends, deletions, strict=True)]
        score_deletions(attributions, score, deletions)
        for attribution in attributions:
            if attribution.scores[NOTHING] == -math.inf:
                raise DataError(
                    f"the filters forbid item '{attribution.item_id}', so nothing speaks for it; "
                    "explain an item that can be recommended"
                )
            attribution.choose()
    wishes = weigh_wishes([attribution.whole for attribution in attributions], score)
    return [
        attribution.conclude(table, label, wish)
        for attribution, wish in zip(attributions, wishes, strict=True)
    ]


def _shares(effect: Effect, reason: Reason | None, table: NamedCodes) -> bool:
    if reason is None:
        return False
    return table.codes_of(effect.event.item_id)[: len(reason.prefix)] == reason.prefix


def score_deletions(
    attributions: Sequence[Attribution], score: Score, deletions: Sequence[Sequence[frozenset[int]]]
) -> None:
    """Score each item under some deletions, in one call."""
    wanted = [
        (attribution, deleted)
        for attribution, own in zip(attributions, deletions, strict=True)
        for deleted in dict.fromkeys(own)
        if deleted not in attribution.scores
    ]
    asked = [attribution.without(deleted) for attribution, deleted in wanted]
    scores = score(
        [request for request, _ in asked],
        [attribution.item_id for attribution, _ in wanted],
        [view for _, view in asked],
    )
    for (attribution, deleted), log_prob in zip(wanted, scores, strict=True):
        attribution.scores[deleted] = log_prob


def _to_json(effect: Effect) -> dict[str, Any]:
    event = effect.event
    return {
        "event": effect.place + 1,
        "item_id": event.item_id,
        "title": effect.title,
        "timestamp": event.timestamp,
        "event_type": event.event_type,
        "nats": effect.nats,
    }
