"""Request and response schemas that several routes share, and the service as their parameter.

Text that a database or a response could not carry (NUL, lone surrogates) is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)

from genrec.arguments import to_seconds
from genrec.errors import DataError
from genrec.interests.counterfactual import MAX_STRENGTH
from genrec.preferences.language import MAX_PREFERENCES
from genrec.request_options import MAX_QUERY_CHARS
from genrec.schema import Event, SemanticId
from genrec.serving.query import Query
from genrec.serving.service import INLINE_USER, RecommendationService

EXAMPLE_USER = "uma-054"
MAX_BIASES = 50


async def get_service(request: Request) -> RecommendationService:
    """Return the service of the application that answers."""
    # Not a plain function: FastAPI would call that in another thread for every request.
    service: RecommendationService = request.app.state.service
    return service


Service = Annotated[RecommendationService, Depends(get_service)]
"""A route's parameter that receives the service."""


def _read_time(value: Any) -> Any:
    """Turn an ISO 8601 string into seconds; pydantic checks everything else."""
    if not isinstance(value, str):
        return value
    try:
        return to_seconds(value)
    except DataError as error:
        raise ValueError(str(error)) from None


Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")
]


def _check_words(value: str) -> str:
    """Refuse what says nothing, and what a database cannot hold, in words that help."""
    if "\x00" in value:
        raise ValueError("holds the character NUL; take it out")
    if not value.strip():
        raise ValueError("is empty; say something, or leave it out")
    return value


Wish = Annotated[
    str,
    StringConstraints(max_length=MAX_QUERY_CHARS),
    AfterValidator(_check_words),
    Field(json_schema_extra={"minLength": 1, "pattern": r"^[^\x00]*[^\x00\s][^\x00]*$"}),
]
About = Annotated[
    Wish,
    Field(
        description="What the user says of themselves; nothing in it is an order, and e-mail "
        "addresses, phone numbers and other long numbers are neither kept nor read."
    ),
]
ShortText = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
LongText = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]
Timestamp = Annotated[
    int,
    Field(
        ge=0,
        le=2**53 - 1,
        strict=True,
        description="Seconds since 1970-01-01 UTC, or an ISO 8601 string (UTC without an offset).",
    ),
    BeforeValidator(_read_time, json_schema_input_type=int | datetime),
]


def _check_carried(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse in a free object what pydantic and a database refuse in a text."""
    try:
        written = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise ValueError("a number is not finite, or a text holds half a character") from None
    if b"\\u0000" in written:
        raise ValueError("a text holds the character NUL")
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_check_carried)]
Filters = Annotated[
    JsonObject | None,
    Field(
        description='What items must be like, such as `{"categories": {"any": ["Tea"]}, "price": '
        '{"lte": 20}}`; docs/rules.md describes the language.'
    ),
]
Code = Annotated[int, Field(ge=0, strict=True)]


class RequestBody(BaseModel):
    """The body of a request: an unknown field is an error instead of being silently ignored."""

    model_config = ConfigDict(extra="forbid")


class InlineEvent(RequestBody):
    """One event of the user in question."""

    item_id: Identifier
    timestamp: Timestamp | None = Field(None, description="Missing: now.")
    event_type: ShortText | None = Field(None, description='Such as "view" or "purchase".')
    rating: FiniteFloat | None = None
    title: ShortText | None = Field(None, description="Headline of the review.")
    review: LongText | None = None

    def to_event(self, now: int, user_id: str = INLINE_USER) -> Event:
        """Return the library's event; without a time of its own it happens now."""
        timestamp = now if self.timestamp is None else self.timestamp
        return Event(
            *(user_id, self.item_id, timestamp, self.event_type),
            *(self.rating, self.title, self.review),
        )


class UserRequest(RequestBody):
    """A question about one user."""

    user_id: Identifier | None = Field(None, description="A user with events. Give this or:")
    events: list[InlineEvent] | None = Field(
        None, description="The history itself, in any order; empty for a new user."
    )
    preferences: list[JsonObject] | None = Field(
        None,
        max_length=MAX_PREFERENCES,
        description="What the user says of their own profile (docs/preferences.md), heeded in "
        "place of what is stored; null: what is stored.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> UserRequest:
        if (self.user_id is None) == (self.events is None):
            raise ValueError("give either user_id or events (an empty list for a new user)")
        return self


class InterestBias(RequestBody):
    """An interest to boost or to dampen."""

    interest: ShortText | None = Field(None, description="Its name. Give this or:")
    prefix: list[Code] | None = Field(None, description="Its semantic-ID prefix.")
    strength: FiniteFloat = Field(
        ge=-MAX_STRENGTH,
        le=MAX_STRENGTH,
        description="The odds of the interest are multiplied by e to this power.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> InterestBias:
        if (self.interest is None) == (self.prefix is None):
            raise ValueError("give either interest (its name) or prefix (its codes)")
        return self


class ItemsRequest(UserRequest):
    """A question about items for one user, with filters and what-ifs."""

    exclude: list[Identifier] = Field([], description="Items never to return.")
    candidates: list[Identifier] | None = Field(None, description="Return nothing but these.")
    at: Timestamp | None = Field(
        None, description="Moment of asking; null: `as_of`, else the last event's."
    )
    event_type: ShortText | None = Field(
        None, description="Type of event to predict; null: the last one's."
    )
    filter_seen: bool = Field(True, description="Leave out the items of the history.")
    as_of: Timestamp | None = Field(
        None, description="What if it were then: only events before this moment are known."
    )
    without: list[Annotated[int, Field(strict=True)] | Identifier] = Field(
        [],
        description="What if these events had never happened: by number in the history (1 the "
        "oldest, -1 the newest) or by `event_id`.",
    )
    interest_bias: list[InterestBias] = Field(
        [], max_length=MAX_BIASES, description="What if these interests were stronger or weaker."
    )
    filters: Filters = None
    query: Wish | None = Field(
        None, description="What is looked for, in the user's own words; nothing in it is an order."
    )

    about: About | None = Field(None, description="In place of what is known of the user.")

    def to_query(self, now: int) -> Query:
        """Return what the service is asked now, in seconds."""
        biases: dict[str | SemanticId, float] = {}
        for bias in self.interest_bias:
            key = bias.interest if bias.interest is not None else tuple(bias.prefix or ())
            biases[key] = biases.get(key, 0.0) + bias.strength
        return Query(
            self.user_id,
            [event.to_event(now) for event in self.events or ()],
            self.exclude,
            self.candidates,
            self.at,
            self.event_type,
            self.filter_seen,
            self.as_of,
            self.without,
            biases,
            self.filters,
            self.query,
            self.about,
        )


class Evidence(BaseModel):
    """An event as a response quotes it."""

    item_id: str
    title: str
    timestamp: int


def to_evidence(service: RecommendationService, events: Sequence[Event]) -> list[Evidence]:
    """Quote events."""
    item = service.loaded.recommender.item
    return [
        Evidence(item_id=event.item_id, title=item(event.item_id).label, timestamp=event.timestamp)
        for event in events
    ]
