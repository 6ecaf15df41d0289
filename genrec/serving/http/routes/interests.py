"""POST /v1/interests: what a user cares about, with evidence, now and over time."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from genrec.feedback import evidence_of
from genrec.interests.summary.schema import SummaryContent
from genrec.schema import Trend
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import EXAMPLE_USER, Evidence, Service, UserRequest, to_evidence

router = APIRouter(tags=["interests"])


class InterestsRequest(UserRequest):
    """A question about interests."""

    model_config = ConfigDict(json_schema_extra={"example": {"user_id": EXAMPLE_USER, "top": 3}})

    top: Annotated[
        int, Field(ge=1, le=100, strict=True, description="How many expected interests.")
    ] = 5


class NamedInterest(BaseModel):
    """An interest that events support."""

    name: str
    prefix: list[int]
    weight: float
    trend: Trend
    p_value: float = Field(
        description="Probability of such a trend in a random order of the same events."
    )
    first_seen: int
    peak: int
    last_seen: int
    events: list[Evidence]


class ExpectedInterest(BaseModel):
    """An interest the model expects the next event in."""

    name: str
    probability: float


class Series(BaseModel):
    """One interest over time: its weight right after each event."""

    name: str
    weights: list[float]


class Timeline(BaseModel):
    """The interests' weights over time."""

    timestamps: list[int]
    series: list[Series]


class Birth(BaseModel):
    """An interest that began."""

    name: str
    event: int = Field(description="Number of its first event; the oldest is 1.")
    timestamp: int
    known_after_event: int


class Window(BaseModel):
    """A stretch of time; `drift` is the Jensen-Shannon divergence from the one before, 0 to 1."""

    start: int
    end: int
    events: int
    drift: float
    is_change: bool


class PredictedInterest(BaseModel):
    """An interest's share of the next window."""

    name: str
    share: float


class Evolution(BaseModel):
    """The model's own view: what it expected after each event, and its forecast."""

    timestamps: list[int]
    series: list[Series]
    births: list[Birth]
    windows: list[Window]
    forecast: list[PredictedInterest]


class InterestsResponse(BaseModel):
    """Interests in words, as lists with evidence, and as a stream."""

    words: str
    by_model: bool = Field(
        description="Whether the model chose the interests; else they were counted from events."
    )
    unsupported: list[str] = Field(description="What it named without evidence; left out.")
    moved: list[str] = Field(
        description="What it named in another list than events and forecast show."
    )
    summary: SummaryContent = Field(
        description="The lists, each interest with the numbers of its events (the oldest is 1)."
    )
    interests: list[NamedInterest]
    expected: list[ExpectedInterest]
    timeline: Timeline
    evolution: Evolution | None = Field(description="null where a chat model is asked by prompt.")
    took_ms: float


@router.post("/v1/interests", responses=describe_errors(404, 400, 413, 422, 503))
async def interests(
    body: InterestsRequest, service: Service, response: Response
) -> InterestsResponse:
    """Say what a user cares about; every interest named is one that events support."""
    start = time.perf_counter()
    live = await service.history(
        body.user_id, [event.to_event(service.now) for event in body.events or ()]
    )
    steering = await service.preferences.steering(live.preferences, body.preferences)
    history = evidence_of(live.history)
    if steering is not None:
        history = steering.profile(history)

    def hides(name: str) -> bool:
        return steering is not None and steering.forbids(name)

    asked = time.perf_counter()
    summary, evolution, expected = await service.interests.summary(history, body.top)
    response.headers["Server-Timing"] = f"engine;dur={(time.perf_counter() - asked) * 1000:.1f}"
    supported, timeline = await service.interests.timeline(history)
    return InterestsResponse(
        words=summary.words,
        by_model=summary.by_model,
        unsupported=[name for name in summary.unsupported if not hides(name)],
        moved=[name for name in summary.moved if not hides(name)],
        summary=summary.content,
        interests=[
            NamedInterest(
                name=interest.name,
                prefix=list(interest.prefix),
                weight=interest.weight,
                trend=interest.trend,
                p_value=interest.p_value,
                first_seen=interest.first_seen,
                peak=interest.peak,
                last_seen=interest.last_seen,
                events=to_evidence(service, interest.evidence),
            )
            for interest in summary.interests
        ],
        expected=[
            ExpectedInterest(name=name, probability=probability)
            for name, probability in expected
            if not hides(name)
        ],
        timeline=Timeline(
            timestamps=list(timeline.timestamps),
            series=[
                Series(name=interest.name, weights=[round(float(weight), 6) for weight in weights])
                for interest, weights in zip(supported, timeline.weights, strict=True)
            ],
        ),
        evolution=None if evolution is None else Evolution(**evolution.to_json(body.top, hides)),
        took_ms=round((time.perf_counter() - start) * 1000, 1),
    )
