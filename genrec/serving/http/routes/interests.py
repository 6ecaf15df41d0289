"""POST /v1/interests: what a user cares about, with evidence, now and over time."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from genrec.interests.profile.interests import find_interests
from genrec.interests.summary.schema import SummaryForm
from genrec.interests.timeline.timeline import interest_stream
from genrec.schema import History, Trend
from genrec.serving.gateway import Gateway, Served
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import USER, Evidence, Subject, evidence
from genrec.serving.http.subjects import read_subject

router = APIRouter(tags=["interests"])


class InterestsBody(Subject):
    """A question about interests."""

    model_config = ConfigDict(json_schema_extra={"example": {"user_id": USER, "top": 3}})

    top: Annotated[
        int, Field(ge=1, le=100, strict=True, description="How many expected interests.")
    ] = 5


class NamedInterest(BaseModel):
    """An interest that events support."""

    name: str
    prefix: list[int]
    weight: float
    trend: Trend
    chance: float = Field(description="How probable it is that the trend only looks so by chance.")
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


class Stream(BaseModel):
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


class ForeseenInterest(BaseModel):
    """An interest's share of the next window."""

    name: str
    share: float


class Evolution(BaseModel):
    """The model's own view: what it expected after each event, and what is foreseen."""

    timestamps: list[int]
    series: list[Series]
    births: list[Birth]
    windows: list[Window]
    forecast: list[ForeseenInterest]


class InterestsAnswer(BaseModel):
    """Interests in words, as lists with evidence, and as a stream."""

    words: str
    by_model: bool = Field(
        description="Whether the model chose the interests; else they were counted from events."
    )
    unsupported: list[str] = Field(description="What it named without evidence; left out.")
    moved: list[str] = Field(
        description="What it named in another list than events and forecast show."
    )
    summary: SummaryForm = Field(
        description="The lists, each interest with the numbers of its events (the oldest is 1)."
    )
    interests: list[NamedInterest]
    expected: list[ExpectedInterest]
    stream: Stream
    evolution: Evolution | None = Field(description="null where a chat model is asked by prompt.")
    took_ms: float


@router.post("/v1/interests", responses=describe_errors(404, 400, 413, 422, 503))
async def interests(body: InterestsBody, gateway: Served, response: Response) -> InterestsAnswer:
    """Say what a user cares about; every interest named is one that events support."""
    start = time.perf_counter()
    live = await read_subject(gateway, body)
    history = live.history
    asked = time.perf_counter()
    summary, evolution = await asyncio.gather(
        gateway.interests(history), gateway.evolution(history)
    )
    if evolution is None:
        expected = await gateway.next_interests(history, body.top)
    else:
        expected = evolution.next_event(body.top)
    answered = time.perf_counter()
    stream = await gateway.in_thread(_to_stream, history, gateway)
    response.headers["Server-Timing"] = f"engine;dur={(answered - asked) * 1000:.1f}"
    return InterestsAnswer(
        words=summary.words,
        by_model=summary.by_model,
        unsupported=list(summary.unsupported),
        moved=list(summary.moved),
        summary=summary.form,
        interests=[
            NamedInterest(
                name=interest.name,
                prefix=list(interest.prefix),
                weight=interest.weight,
                trend=interest.trend,
                chance=interest.chance,
                first_seen=interest.first_seen,
                peak=interest.peak,
                last_seen=interest.last_seen,
                events=evidence(gateway, interest.evidence),
            )
            for interest in summary.interests
        ],
        expected=[
            ExpectedInterest(name=name, probability=probability) for name, probability in expected
        ],
        stream=stream,
        evolution=None if evolution is None else Evolution(**evolution.to_json(body.top)),
        took_ms=round((time.perf_counter() - start) * 1000, 1),
    )


def _to_stream(history: History, gateway: Gateway) -> Stream:
    """Return the weights of every interest that events support, strongest today first."""
    table = gateway.recommender.table
    supported = find_interests(history, table, max_interests=max(1, len(history.events)))
    found = interest_stream(history, table, [interest.prefix for interest in supported])
    return Stream(
        timestamps=list(found.timestamps),
        series=[
            Series(name=interest.name, weights=[round(float(weight), 6) for weight in weights])
            for interest, weights in zip(supported, found.weights, strict=True)
        ],
    )
