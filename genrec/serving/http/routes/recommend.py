"""POST /v1/recommend: the next items."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from genrec.interests.explain.explanation_text import join
from genrec.interests.explain.shared_prefix import Reason as FoundReason
from genrec.interests.explain.shared_prefix import find_reason
from genrec.schema import Recommendation
from genrec.serving.gateway import Gateway, Served
from genrec.serving.histories import LiveHistory
from genrec.serving.http.errors import ServeError, describe_errors
from genrec.serving.http.item_requests import Question, read_question
from genrec.serving.http.schemas import USER, Evidence, evidence

router = APIRouter(tags=["recommend"])


class RecommendBody(Question):
    """A wish for items."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"user_id": USER, "k": 5, "explain": True}}
    )

    k: Annotated[int, Field(ge=1, strict=True, description="How many.")] = 10
    explain: bool = Field(
        False, description="Whether to say which events share an interest with each item."
    )


class Reason(BaseModel):
    """Why an item: the interest it shares with events of the history."""

    sentence: str
    interest: str
    events: list[Evidence]


class RecommendedItem(BaseModel):
    """One item; `score` is its log-probability in nats."""

    item_id: str
    rank: int
    score: float
    title: str | None
    semantic_id: list[int]
    reason: Reason | None = None


class RecommendAnswer(BaseModel):
    """Exactly `k` items, best first."""

    items: list[RecommendedItem]
    num_events: int
    adapter: str | None
    took_ms: float


@router.post("/v1/recommend", responses=describe_errors(404, 400, 413, 422, 503))
async def recommend(body: RecommendBody, gateway: Served, response: Response) -> RecommendAnswer:
    """Recommend `k` items that exist, are distinct and pass the filters."""
    start = time.perf_counter()
    _check(body, gateway)
    live, request = await read_question(body, gateway)
    asked = time.perf_counter()
    found = await gateway.recommend(request, body.k)
    answered = time.perf_counter()
    response.headers["Server-Timing"] = f"engine;dur={(answered - asked) * 1000:.1f}"
    return RecommendAnswer(
        items=[_to_item(item, live, gateway, body.explain) for item in found],
        num_events=len(live.stored),
        adapter=gateway.recommender.adapter,
        took_ms=round((time.perf_counter() - start) * 1000, 1),
    )


def _check(body: RecommendBody, gateway: Gateway) -> None:
    settings = gateway.settings
    if body.k > settings.max_k:
        raise ServeError(
            422, "k_too_large", f"k={body.k}; at most {settings.max_k} items are returned at once"
        )


def _to_item(
    item: Recommendation, live: LiveHistory, gateway: Gateway, explain: bool
) -> RecommendedItem:
    reason = None
    if explain:
        reason = find_reason(item.semantic_id, live.history, gateway.recommender)
    return RecommendedItem(
        item_id=item.item_id,
        rank=item.rank,
        score=item.score,
        title=item.title,
        semantic_id=list(item.semantic_id),
        reason=None if reason is None else _to_reason(reason, gateway),
    )


def _to_reason(reason: FoundReason, gateway: Gateway) -> Reason:
    events = evidence(gateway, reason.events)
    titles = list(dict.fromkeys(event.title for event in events))
    others = reason.count - len(events)
    named = join(titles)
    if others:
        named = f"{', '.join(titles)} and {others} more"
    return Reason(
        sentence=f"Of “{reason.interest}”, like {named} in your history.",
        interest=reason.interest,
        events=events,
    )
