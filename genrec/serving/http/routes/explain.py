"""POST /v1/explain: why an item, event by event."""

from __future__ import annotations

import time

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import EXAMPLE_USER, Identifier, ItemsRequest, Service

router = APIRouter(tags=["recommend"])


class ExplainRequest(ItemsRequest):
    """An item, and the request it would answer."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"user_id": EXAMPLE_USER, "item_id": "P079", "without": [-1]}}
    )

    item_id: Identifier = Field(description="Recommended or not; the filters must allow it.")


class EventEffect(BaseModel):
    """What one event does: `nats` is what the item's log-probability loses without it."""

    event: int = Field(description="Its number in the what-if history; 1 is the oldest.")
    item_id: str
    title: str
    timestamp: int
    event_type: str | None
    nats: float


class WordEffect(BaseModel):
    """What one word of the wish does: `nats` is what the item loses without it."""

    word: str
    nats: float


class WishEffect(BaseModel):
    """What the wish (`query`) does to the item, and its first 24 words."""

    nats: float
    words: list[WordEffect]


class ExplainResponse(BaseModel):
    """Why an item.

    `whole` is what the history does to its log-probability, `parts` the sum of the effects,
    `residual` the rest; `joint` is what it loses without all of the evidence.
    """

    item_id: str
    title: str
    sentence: str
    interest: str | None
    prefix: list[int]
    score: float
    empty_score: float
    whole: float
    parts: float
    residual: float
    joint: float
    evidence: list[EventEffect]
    effects: list[EventEffect]
    num_unread: int
    path: list[str]
    wish: WishEffect | None
    adapter: str | None
    took_ms: float


@router.post("/v1/explain", responses=describe_errors(404, 400, 413, 422, 503))
async def explain(body: ExplainRequest, service: Service, response: Response) -> ExplainResponse:
    """Say what raised an item: each event and word of a wish is left out, and it scored again."""
    start = time.perf_counter()
    query = body.to_query(service.now)
    live = await service.look_up(query)
    steering = await service.preferences.steering(live.preferences, body.preferences)
    request = (await service.request(query, live, steering=steering)).request
    asked = time.perf_counter()
    explanation = await service.explain(request, body.item_id)
    response.headers["Server-Timing"] = f"engine;dur={(time.perf_counter() - asked) * 1000:.1f}"
    return ExplainResponse(
        **explanation.to_json(),
        adapter=service.loaded.recommender.adapter,
        took_ms=round((time.perf_counter() - start) * 1000, 1),
    )
