"""Whether the gateway lives, whether it can answer, and what Prometheus reads."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from genrec.serving.gateway import Served
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import INLINE_USER

router = APIRouter(tags=["health"])


class HealthAnswer(BaseModel):
    """The process lives."""

    status: Literal["alive"] = "alive"


class ReadyAnswer(BaseModel):
    """Engine and store have just answered."""

    status: Literal["ready"] = "ready"
    engine_ms: float
    store_ms: float


@router.get("/health")
async def health() -> HealthAnswer:
    """Tell that the process lives."""
    return HealthAnswer()


@router.get("/ready", responses=describe_errors(503))
async def ready(gateway: Served) -> ReadyAnswer:
    """Ask store and engine a small question each."""
    start = time.perf_counter()
    await gateway.in_thread(gateway.events.forgotten, [INLINE_USER])
    middle = time.perf_counter()
    await gateway.check_engine()
    end = time.perf_counter()
    return ReadyAnswer(
        engine_ms=round((end - middle) * 1000, 1), store_ms=round((middle - start) * 1000, 1)
    )


@router.get("/metrics", response_class=Response)
async def metrics(gateway: Served) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(gateway.metrics.render(), media_type=CONTENT_TYPE_LATEST)
