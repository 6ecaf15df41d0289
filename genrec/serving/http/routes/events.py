"""POST /v1/events: what users did, as it happens."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from genrec.serving.gateway import Served
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import USER, Body, PostedEvent, to_events
from genrec.serving.store import StoredEvent

router = APIRouter(tags=["events"])


class EventsBody(Body):
    """A batch of events."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "events": [
                    {
                        "event_id": "click-1",
                        "user_id": USER,
                        "item_id": "P061",
                        "timestamp": 1_700_000_000,
                        "event_type": "view",
                    }
                ]
            }
        }
    )

    events: list[PostedEvent] = Field(min_length=1)


class EventsAnswer(BaseModel):
    """What was stored."""

    accepted: int
    duplicates: int


@router.post("/v1/events", responses=describe_errors(422, 400, 413, 503))
async def post_events(body: EventsBody, gateway: Served) -> EventsAnswer:
    """Store events, all or none; they count from the next request on.

    Events may come out of order. An `event_id` that is stored already, or comes twice in a batch,
    is counted as a duplicate and not stored again.
    """
    events = to_events(gateway, body.events)
    stored = [
        StoredEvent(event, posted.event_id)
        for event, posted in zip(events, body.events, strict=True)
    ]
    accepted = await gateway.in_thread(gateway.events.add, stored)
    duplicates = len(stored) - accepted
    gateway.metrics.events.labels("accepted").inc(accepted)
    gateway.metrics.events.labels("duplicate").inc(duplicates)
    return EventsAnswer(accepted=accepted, duplicates=duplicates)
