"""POST /v1/events: what users did, as it happens."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import (
    EXAMPLE_USER,
    Identifier,
    InlineEvent,
    RequestBody,
    Service,
)
from genrec.serving.store import StoredEvent

router = APIRouter(tags=["events"])


class PostedEvent(InlineEvent):
    """One event of one user."""

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
    now = service.now
    events = [
        StoredEvent(event.to_event(now, event.user_id), event.event_id, event.recommendation_id)
        for event in body.events
    ]
    accepted = await service.add_events(events)
    return EventsResponse(accepted=accepted, duplicates=len(events) - accepted)
