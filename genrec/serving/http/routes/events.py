"""POST /v1/events: what users did, as it happens."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from genrec.schema import SEARCH, Search
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import (
    EXAMPLE_USER,
    Identifier,
    InlineEvent,
    RequestBody,
    Service,
    Wish,
)
from genrec.serving.store import StoredEvent

router = APIRouter(tags=["events"])


class PostedEvent(InlineEvent):
    """One event of one user: with an item, or a search (`event_type` "search") with a text."""

    item_id: Identifier | None = Field(None, description="Of every event but a search.")  # type: ignore[assignment]
    text: Wish | None = Field(None, description="What was searched for, as the user typed it.")
    user_id: Identifier
    event_id: Identifier | None = Field(
        None, description="Posting the same ID again changes nothing."
    )
    recommendation_id: Identifier | None = Field(
        None,
        description="The answer of /v1/recommend that the event follows. Without it, or where that "
        "one did not show the item to the user: the last one within `GENREC_ATTRIBUTION_S` that "
        "did.",
    )

    @model_validator(mode="after")
    def _item_or_search(self) -> PostedEvent:
        if (self.text is None) == (self.item_id is None):
            raise ValueError("give either item_id, or the text of a search")
        if self.text is not None and self.event_type != SEARCH:
            raise ValueError(f'text goes with event_type "{SEARCH}" and no item_id')
        return self

    def to_stored(self, now: int) -> StoredEvent:
        """Return what is stored; without a time of its own it happens now, in seconds."""
        if self.text is not None:
            timestamp = now if self.timestamp is None else self.timestamp
            return StoredEvent.search(self.user_id, Search(timestamp, self.text), self.event_id)
        return StoredEvent(self.to_event(now, self.user_id), self.event_id, self.recommendation_id)


class EventsRequest(RequestBody):
    """A batch of events."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "events": [
                    {
                        "event_id": "click-1",
                        "user_id": EXAMPLE_USER,
                        "item_id": "P061",
                        "timestamp": 1_700_000_000,
                        "event_type": "view",
                    }
                ]
            }
        }
    )

    events: list[PostedEvent] = Field(min_length=1)


class EventsResponse(BaseModel):
    """What was stored."""

    accepted: int
    duplicates: int


@router.post("/v1/events", responses=describe_errors(422, 400, 413, 503))
async def post_events(body: EventsRequest, service: Service) -> EventsResponse:
    """Store events, all or none; they count from the next request on.

    Events may come out of order. An `event_id` that is stored already, or comes twice in a batch,
    is counted as a duplicate and not stored again.
    """
    events = [event.to_stored(service.now) for event in body.events]
    accepted = await service.add_events(events)
    return EventsResponse(accepted=accepted, duplicates=len(events) - accepted)
