"""Liveness, readiness, and the metrics that Prometheus reads."""

from __future__ import annotations

import time
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import Service

router = APIRouter(tags=["health"])


class HealthResponse(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class ReadyResponse(BaseModel):
    """Engine and store have just answered."""

    status: Literal["ready"] = "ready"
    engine_ms: float
    store_ms: float


@router.get("/health")
async def health() -> HealthResponse:
    """Say that the process is alive."""
    return HealthResponse()


@router.get("/ready", responses=describe_errors(503))
async def ready(service: Service) -> ReadyResponse:
    """Ask store and engine a small question each."""
    start = time.perf_counter()
    await service.check_store()
    middle = time.perf_counter()
    await service.check_engine()
    end = time.perf_counter()
    return ReadyResponse(
        engine_ms=round((end - middle) * 1000, 1), store_ms=round((middle - start) * 1000, 1)
    )


@router.get("/metrics", response_class=Response)
async def metrics(service: Service) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)
