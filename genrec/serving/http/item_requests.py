"""What a question about items holds, as things are or as they might be, and the request it becomes.

What-if: as of a past moment, without some events, with interests turned up or down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field, FiniteFloat, model_validator

from genrec.interests.counterfactual import MAX_STRENGTH, find_places, read_interest_bias
from genrec.schema import Request, SemanticId
from genrec.serving.gateway import Gateway
from genrec.serving.histories import LiveHistory
from genrec.serving.http.errors import ServeError, show
from genrec.serving.http.schemas import Body, Identifier, ShortText, Subject, Timestamp
from genrec.serving.http.subjects import read_subject

MAX_TURNS = 50
Code = Annotated[int, Field(ge=0, strict=True)]


class Turn(Body):
    """An interest turned up or down."""

    interest: ShortText | None = Field(None, description="Its name. Give this or:")
    prefix: list[Code] | None = Field(None, description="Its semantic-ID prefix.")
    strength: FiniteFloat = Field(
        ge=-MAX_STRENGTH,
        le=MAX_STRENGTH,
        description="The odds of the interest are multiplied by e to this power.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Turn:
        if (self.interest is None) == (self.prefix is None):
            raise ValueError("give either interest (its name) or prefix (its codes)")
        return self

    @property
    def key(self) -> str | SemanticId:
        """What says which interest."""
        return self.interest if self.interest is not None else tuple(self.prefix or ())


class Question(Subject):
    """What is asked about items, and of whom."""

    exclude: list[Identifier] = Field([], description="Items never to return.")
    candidates: list[Identifier] | None = Field(None, description="Return nothing but these.")
    at: Timestamp | None = Field(
        None, description="Moment of asking; null: `as_of`, else the last event's."
    )
    event_type: ShortText | None = Field(None, description="Act to foresee; null: the last one's.")
    filter_seen: bool = Field(True, description="Leave out the items of the history.")
    as_of: Timestamp | None = Field(
        None, description="What if it were then: only events before this moment are known."
    )
    without: list[Annotated[int, Field(strict=True)] | Identifier] = Field(
        [],
        description="What if these events had never been: by number in the history (1 the oldest, "
        "-1 the newest) or by `event_id`.",
    )
    interest_bias: list[Turn] = Field(
        [], max_length=MAX_TURNS, description="What if these interests were stronger or weaker."
    )


async def read_question(body: Question, gateway: Gateway) -> tuple[LiveHistory, Request]:
    """Return the history as it is supposed to be, and the request to the model.

    Raises:
        ServeError: A user, item or event is unknown, or the moment lies before the last event.
        DataError: An interest or a place does not exist.
    """
    for name, item_ids in (("exclude", body.exclude), ("candidates", body.candidates or [])):
        gateway.check_count(len(item_ids), gateway.settings.max_filter_items, f"items in `{name}`")
        gateway.check_items(item_ids, name)
    gateway.check_count(len(body.without), gateway.settings.max_events, "events in `without`")
    interest_bias = read_interest_bias(
        gateway.recommender.table,
        {
            key: sum(turn.strength for turn in body.interest_bias if turn.key == key)
            for key in _keys(body.interest_bias)
        },
    )
    live = _suppose(body, await read_subject(gateway, body))
    exclude = frozenset(body.exclude)
    if body.filter_seen:
        exclude |= live.older_items
    candidates = None if body.candidates is None else frozenset(body.candidates)
    at = _moment(body, live, gateway)
    request = Request(
        live.history, at, body.event_type, exclude, candidates, body.filter_seen, interest_bias
    )
    return live, request


def _keys(turns: Sequence[Turn]) -> list[str | SemanticId]:
    return list(dict.fromkeys(turn.key for turn in turns))


def _suppose(body: Question, live: LiveHistory) -> LiveHistory:
    """Return the history without what is supposed never to have been."""
    numbers = [one for one in body.without if isinstance(one, int)]
    left_out = find_places(live.history, numbers)
    place_of = {stored.event_id: place for place, stored in enumerate(live.stored)}
    for one in body.without:
        if isinstance(one, str):
            if one not in place_of:
                raise ServeError(
                    422,
                    "unknown_event",
                    f"without: no event {show(one)} in this history; name events by `event_id` or "
                    "by number (1 is the oldest)",
                )
            left_out.add(place_of[one])
    stored = tuple(
        one
        for place, one in enumerate(live.stored)
        if place not in left_out and (body.as_of is None or one.event.timestamp < body.as_of)
    )
    return replace(live, stored=stored)


def _moment(body: Question, live: LiveHistory, gateway: Gateway) -> int | None:
    """Return the moment of asking, which cannot lie before the last event that is known."""
    at = body.as_of if body.at is None else body.at
    if at is None or not live.stored:
        return at
    last = live.stored[-1].event.timestamp
    if at < last - gateway.settings.clock_skew_s:
        raise ServeError(
            422,
            "asked_in_the_past",
            f"at={at} lies before the last event ({last}); leave it out to ask right after that, "
            "or give `as_of` to ask as of a past moment",
        )
    return max(at, last)
