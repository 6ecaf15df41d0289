"""What is known of a user's interests, and by whom it is said: events, the model or the user.

Enters: a history, a user's wishes and what a model expects next. Leaves: receipts, one for each
interest: its events, since when, and where a wish contradicts them. Knows no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from genrec.feedback import evidence_of
from genrec.interests.counterfactual import find_prefix
from genrec.interests.profile.interests import find_interests
from genrec.preferences.language import Want
from genrec.preferences.steering import Placed, Steering
from genrec.schema import Event, History, SemanticId
from genrec.semantic_ids.table import SemanticIdTable

Source = Literal["events", "model", "user"]

LATEST = 5
"""Events in which a wish for less is looked for."""


@dataclass(frozen=True)
class Receipt:
    """An interest, and what it rests on.

    Attributes:
        name: For people.
        prefix: Of the interest; None: the user speaks of a filter's items.
        want: What the user wants of it; None: nothing was said.
        said_by: Who says that it is one: its events, the model (it is among what is expected next)
            or the user.
        weight: Share of the user's attention by events; 0 where they do not support it.
        events: All events of its items, oldest first.
        expected: Probability that the next event is of it; None: not among the likeliest.
        contradiction: What events say against the wish; None: nothing.
    """

    name: str
    prefix: SemanticId | None
    want: Want | None
    said_by: tuple[Source, ...]
    weight: float
    events: tuple[Event, ...]
    expected: float | None = None
    contradiction: str | None = None

    @property
    def since(self) -> int | None:
        """Moment of the first event, seconds; None: there is none."""
        return self.events[0].timestamp if self.events else None


def list_receipts(
    history: History,
    steering: Steering,
    table: SemanticIdTable,
    expected: Sequence[tuple[str, float]],
) -> list[Receipt]:
    """Return what is known of a user's interests: wishes first, then by weight.

    Args:
        history: Events, oldest first; those of gifts are passed over.
        steering: The user's wishes.
        table: Semantic IDs.
        expected: Names and probabilities of the interests that a model expects next.
    """
    own = evidence_of(steering.own(history))
    supported = {
        interest.prefix: interest
        for interest in find_interests(own, table, max_interests=max(1, len(own.events)))
    }
    foreseen = {find_prefix(table, name): probability for name, probability in expected}
    receipts = []
    for placed in steering.wishes:
        found = None if placed.prefix is None else supported.pop(placed.prefix, None)
        probability = None if placed.prefix is None else foreseen.pop(placed.prefix, None)
        events = tuple(event for event in own.events if steering.holds(placed, event))
        receipts.append(
            Receipt(
                placed.name,
                placed.prefix,
                placed.want,
                _sources(found is not None, probability is not None, True),
                0.0 if found is None else found.weight,
                events,
                probability,
                _contradiction(placed, own, steering),
            )
        )
    for prefix in dict.fromkeys([*supported, *foreseen]):
        found, probability = supported.get(prefix), foreseen.get(prefix)
        events = () if found is None else found.evidence
        wish = steering.wish_of(prefix)
        receipts.append(
            Receipt(
                table.name_of(prefix),
                prefix,
                None if wish is None else wish.want,
                _sources(found is not None, probability is not None, wish is not None),
                0.0 if found is None else found.weight,
                events,
                probability,
            )
        )
    return receipts


def _sources(events: bool, model: bool, user: bool) -> tuple[Source, ...]:
    said: dict[Source, bool] = {"events": events, "model": model, "user": user}
    return tuple(source for source, says in said.items() if says)


def _contradiction(placed: Placed, history: History, steering: Steering) -> str | None:
    """Say where most of the latest events are of what the user wants less or nothing of."""
    latest = history.events[-LATEST:]
    count = sum(steering.holds(placed, event) for event in latest)
    if placed.want not in ("less", "never") or 2 * count <= len(latest):
        return None
    asked = f"less {placed.name}" if placed.want == "less" else f"never {placed.name}"
    return f"you asked for {asked}; {count} of your last {len(latest)} events are of it"
