"""GET /v1/online-metrics: what users make of what they are shown, by day."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from genrec.online_metrics import Figures
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import Service
from genrec.serving.online import MAX_DAYS

router = APIRouter(tags=["online metrics"])


class OnlineMetricsResponse(BaseModel):
    """Figures; null where nothing was there to tell one from."""

    last_24_hours: Figures = Field(description="Counted now.")
    days: list[Figures] = Field(description="By day of UTC, today last.")


@router.get("/v1/online-metrics", responses=describe_errors(422, 503))
async def online_metrics(
    service: Service,
    days: Annotated[int, Query(ge=1, le=MAX_DAYS, description="How many, today included.")] = 7,
) -> OnlineMetricsResponse:
    """Tell what users made of what they were shown."""
    return OnlineMetricsResponse(
        last_24_hours=await run_sync(service.online.count),
        days=await run_sync(service.online.days, days),
    )
