"""POST /v1/recommend: the next items."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from genrec.interests.explain.shared_prefix import find_reason
from genrec.rules import NamedRule, Plan
from genrec.rules.plan import MAX_RULES
from genrec.schema import History, Recommendation, SemanticId
from genrec.serving.cursor import read_cursor, write_cursor
from genrec.serving.drafts import recommend_mixed
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.routes.rules import RuleName
from genrec.serving.http.schemas import (
    EXAMPLE_USER,
    Evidence,
    ItemsRequest,
    JsonObject,
    Service,
    to_evidence,
)
from genrec.serving.service import RecommendationService

router = APIRouter(tags=["recommend"])

ArmName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
CursorText = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]


class RecommendRequest(ItemsRequest):
    """A request for items."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"user_id": EXAMPLE_USER, "k": 5, "explain": True}}
    )

    k: Annotated[int, Field(ge=1, strict=True, description="How many.")] = 10
    explain: bool = Field(
        False,
        description="Whether to say which events share an interest with each item, and which rules "
        "were kept.",
    )
    provenance: bool = Field(
        False, description="Whether to say which scorer brought each item, and by how much."
    )
    arm: ArmName | None = Field(
        None, description="Of an experiment of yours: kept with what is shown."
    )
    shown: Annotated[
        bool,
        Field(
            strict=True,
            description="Whether the user is to see the answer; false: it is not kept as shown.",
        ),
    ] = True
    rules: list[RuleName | JsonObject] = Field(
        [],
        max_length=MAX_RULES,
        description="Names of stored rules, or rules; those that always hold need no name.",
    )
    cursor: CursorText | None = Field(
        None, description="Of the page before: nothing that it or those before it showed."
    )


class KeptRule(BaseModel):
    """A rule that the items keep; `version` is null where the request brought it."""

    name: str
    version: int | None
    rule: dict[str, Any]
    items: list[str] = Field(description="Those of the answer that it boosts, pins or asks for.")
    absent: list[str] = Field(description="Items that it names and that were retired, or are gone.")


class Provenance(BaseModel):
    """What brought an item.

    `parts` are nats that each scorer adds to the score, beside an average item; `propensity` is the
    chance of the item at its rank, given those above it, where exploration chooses.
    """

    brought_by: str | None
    parts: dict[str, float]
    propensity: float | None


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
    provenance: Provenance | None = None

    @classmethod
    def of(
        cls,
        item: Recommendation,
        reason: Reason | None = None,
        provenance: Provenance | None = None,
    ) -> RecommendedItem:
        """Return an item as it is answered."""
        return cls(
            item_id=item.item_id,
            rank=item.rank,
            score=item.score,
            title=item.title,
            semantic_id=list(item.semantic_id),
            reason=reason,
            provenance=provenance,
        )


class RecommendResponse(BaseModel):
    """Exactly `k` items, best first."""

    recommendation_id: str | None = Field(
        description="For events that follow; it is kept what was shown. The same page, shown to "
        "the same user again within half an hour by the clock, has the same. null: not kept."
    )
    items: list[RecommendedItem]
    cursor: str = Field(description="To be sent for the next page.")
    rules: list[KeptRule] | None = Field(None, description="With `explain`.")
    num_events: int
    adapter: str | None
    took_ms: float


@router.post("/v1/recommend", responses=describe_errors(404, 400, 413, 422, 503))
async def recommend(
    body: RecommendRequest, service: Service, response: Response
) -> RecommendResponse:
    """Recommend `k` items that exist, are distinct, pass the filters and keep the rules."""
    start = time.perf_counter()
    before = read_cursor(body.cursor, service.settings.max_filter_items) if body.cursor else ()
    query = replace(body.to_query(service.now), shown=before, arm=body.arm)
    live = await service.look_up(query)
    plan = await service.rules.plan(body.rules, body.user_id)
    steering = await service.preferences.steering(live.preferences, body.preferences)
    asked = await service.request(query, live, plan, steering)
    request, of_user = asked.request, list[NamedRule]()
    if steering is not None and (of_user := steering.rules([request], body.k)):
        plan = await service.rules.plan(body.rules, body.user_id, of_user)
    sides = await service.rules.sides(body.rules, body.user_id, of_user)
    sent = time.perf_counter()
    if sides is None:
        answer = await service.lists.recommend(request, body.k, plan)
    else:
        answer = await recommend_mixed(service.lists.recommend, request, body.k, sides, service.now)
    response.headers["Server-Timing"] = f"engine;dur={(time.perf_counter() - sent) * 1000:.1f}"
    kept = await service.keep_impression(asked, answer) if body.shown else None
    return RecommendResponse(
        recommendation_id=kept,
        items=[
            RecommendedItem.of(
                item,
                _reason(item.semantic_id, request.history, service) if body.explain else None,
                _provenance(item) if body.provenance else None,
            )
            for item in answer.items
        ],
        cursor=write_cursor([*before, *(item.item_id for item in answer.items)]),
        rules=_kept(plan, answer.items, service) if body.explain else None,
        num_events=len(request.history.events),
        adapter=answer.adapter,
        took_ms=round((time.perf_counter() - start) * 1000, 1),
    )


def _provenance(item: Recommendation) -> Provenance:
    propensity = None if item.draw is None else item.draw.propensity
    return Provenance(brought_by=item.brought_by, parts=dict(item.parts), propensity=propensity)


def _kept(
    plan: Plan | None, items: Sequence[Recommendation], service: RecommendationService
) -> list[KeptRule]:
    if plan is None:
        return []
    return [
        KeptRule(
            name=named.name,
            version=named.version,
            rule=dict(named.written),
            items=touched,
            absent=service.rules.absent(named),
        )
        for named, touched in zip(plan.rules, plan.touched(items), strict=True)
    ]


def _reason(codes: SemanticId, history: History, service: RecommendationService) -> Reason | None:
    found = find_reason(codes, history, service.loaded.recommender)
    if found is None:
        return None
    events = to_evidence(service, found.events)
    sentence = found.sentence([event.title for event in events])
    return Reason(sentence=sentence, interest=found.interest, events=events)
