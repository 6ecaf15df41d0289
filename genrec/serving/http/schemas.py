"""The JSON bodies that more than one route speaks, and the checks of a single event.

Text that a database or an answer could not carry (NUL, lone surrogates) is refused here.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, model_validator

from genrec.schema import Event
from genrec.serving.gateway import Gateway
from genrec.serving.http.errors import ServeError

Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")
]
ShortText = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
LongText = Annotated[str, StringConstraints(max_length=20_000, pattern=r"^[^\x00]*$")]
Timestamp = Annotated[
    int, Field(ge=0, le=2**53 - 1, strict=True, description="Seconds since 1970-01-01 UTC.")
]

USER = "uma-054"
INLINE_USER = "inline"


class Body(BaseModel):
    """A request's body: a field it does not know is an error, not a silent nothing."""

    model_config = ConfigDict(extra="forbid")


class InlineEvent(Body):
    """One act of the user in question."""

    item_id: Identifier
    timestamp: Timestamp | None = Field(None, description="Missing: now.")
    event_type: ShortText | None = Field(None, description='Such as "view" or "purchase".')
    rating: FiniteFloat | None = None
    title: ShortText | None = Field(None, description="Headline of the review.")
    review: LongText | None = None


class PostedEvent(InlineEvent):
    """One act of one user."""

    user_id: Identifier
    event_id: Identifier | None = Field(
        None, description="Posting the same ID again changes nothing."
    )


class Subject(Body):
    """Whom a question is about."""

    user_id: Identifier | None = Field(None, description="A user with events. Give this or:")
    events: list[InlineEvent] | None = Field(
        None, description="The history itself, in any order; empty for a new user."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Subject:
        if (self.user_id is None) == (self.events is None):
            raise ValueError("give either user_id or events (an empty list for a new user)")
        return self


class Evidence(BaseModel):
    """An event as an answer quotes it."""

    item_id: str
    title: str
    timestamp: int


def evidence(gateway: Gateway, events: Sequence[Event]) -> list[Evidence]:
    """Quote events."""
    return [
        Evidence(
            item_id=event.item_id,
            title=gateway.recommender.item(event.item_id).label,
            timestamp=event.timestamp,
        )
        for event in events
    ]


def to_events(
    gateway: Gateway, posted: Sequence[InlineEvent], user_id: str | None = None
) -> list[Event]:
    """Check events and turn them into the library's, in the order given.

    Args:
        gateway: Knows the items and the limits.
        posted: At most ``max_events``.
        user_id: Whose they are; None: each says it itself.

    Raises:
        ServeError: An item is unknown, a time lies in the future, or there are too many.
    """
    gateway.check_count(len(posted), gateway.settings.max_events, "events")
    now = int(time.time())
    latest = now + gateway.settings.clock_skew_s
    for number, event in enumerate(posted):
        if event.timestamp is not None and event.timestamp > latest:
            raise ServeError(
                422,
                "future_timestamp",
                f"events.{number}.timestamp: {event.timestamp} lies "
                f"{event.timestamp - now} s in the future (this machine's clock says {now}); "
                "timestamps are in seconds, not milliseconds; correct the clock or leave it out "
                "to mean now",
            )
    gateway.check_items([event.item_id for event in posted], "events")
    return [
        Event(
            event.user_id if isinstance(event, PostedEvent) else user_id or INLINE_USER,
            event.item_id,
            now if event.timestamp is None else event.timestamp,
            event.event_type,
            event.rating,
            event.title,
            event.review,
        )
        for event in posted
    ]
