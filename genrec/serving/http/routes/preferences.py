"""/v1/users/{id}/preferences: what a user says of their own profile, beside what events say."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from genrec.preferences import Want
from genrec.preferences.language import MAX_PREFERENCES
from genrec.preferences.receipts import Receipt, Source
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.routes.users import OfUser, UserId
from genrec.serving.http.schemas import Evidence, JsonObject, RequestBody, Service, to_evidence
from genrec.serving.service import RecommendationService

router = APIRouter(tags=["preferences"], route_class=OfUser)

PATH = "/v1/users/{user_id:path}/preferences"


class PreferencesRequest(RequestBody):
    """Everything that a user says; it takes the place of what was said before."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"preferences": [{"less": {"categories": "Tea"}}]}}
    )

    preferences: list[JsonObject] = Field(
        max_length=MAX_PREFERENCES,
        description="Each one of `more`, `less`, `never`, `pin` and `gift`; docs/preferences.md "
        "describes them.",
    )


class KnownInterest(BaseModel):
    """An interest, who says that it is one, and what that rests on."""

    name: str
    prefix: list[int] | None = Field(description="null: the user speaks of a filter's items.")
    want: Want | None = Field(description="What the user wants of it; null: nothing was said.")
    said_by: list[Source]
    weight: float = Field(description="Share of the user's attention by events.")
    expected: float | None = Field(
        description="Probability that the next event is of it; null: not among the likeliest."
    )
    since: int | None = Field(description="Moment of its first event.")
    events: list[Evidence]
    contradiction: str | None = Field(description="What the latest events say against the wish.")


class PreferencesResponse(BaseModel):
    """What a user said, and their interests with receipts."""

    user_id: str
    preferences: list[dict[str, Any]] = Field(description="As they were written.")
    time: int | None = Field(description="When they were stored; null: nothing was said.")
    lost: list[str] = Field(description="What is passed over, since it exists no more.")
    interests: list[KnownInterest]


@router.get(PATH, responses=describe_errors(404, 422, 503))
async def get_preferences(user_id: UserId, service: Service) -> PreferencesResponse:
    """Return a user's interests, each with its receipt, and what the user said of them."""
    return await _answer(user_id, service)


@router.put(PATH, responses=describe_errors(404, 400, 413, 422, 503))
async def put_preferences(
    user_id: UserId, body: PreferencesRequest, service: Service
) -> PreferencesResponse:
    """Store what a user says of their own profile; it is heeded from the next request on."""
    await service.preferences.put(await service.history(user_id), body.preferences)
    return await _answer(user_id, service)


@router.delete(PATH, status_code=204, responses=describe_errors(404, 422, 503))
async def delete_preferences(user_id: UserId, service: Service) -> Response:
    """Take back all that a user said: answers are as if nothing had been."""
    await service.preferences.delete(user_id)
    return Response(status_code=204)


async def _answer(user_id: str, service: RecommendationService) -> PreferencesResponse:
    known = await service.interests.profile(await service.history(user_id))
    stored = known.stored
    return PreferencesResponse(
        user_id=user_id,
        preferences=[] if stored is None else [dict(one) for one in stored.preferences],
        time=None if stored is None else stored.time,
        lost=list(known.lost),
        interests=[_interest(receipt, service) for receipt in known.receipts],
    )


def _interest(receipt: Receipt, service: RecommendationService) -> KnownInterest:
    return KnownInterest(
        name=receipt.name,
        prefix=None if receipt.prefix is None else list(receipt.prefix),
        want=receipt.want,
        said_by=list(receipt.said_by),
        weight=receipt.weight,
        expected=receipt.expected,
        since=receipt.since,
        events=to_evidence(service, receipt.events),
        contradiction=receipt.contradiction,
    )
