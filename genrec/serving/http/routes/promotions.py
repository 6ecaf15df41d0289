"""/v1/promotions: which adapter every gateway serves, why, and back."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from genrec.serving.http.errors import describe_errors
from genrec.serving.http.routes.adapters import PathText
from genrec.serving.http.schemas import RequestBody, Service
from genrec.serving.store import Entry, Verdict

router = APIRouter(tags=["promotions"])

Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]


class PromoteRequest(RequestBody):
    """What to serve."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"path": "sft", "reason": "tried by hand"}}
    )

    path: PathText = Field(description="Relative to `GENREC_ADAPTERS_DIR`, or absolute below it.")
    reason: Reason = Field("by hand", description="Why, for the journal.")


class DecisionResponse(BaseModel):
    """One decision: who made it, why, and what was measured on which data."""

    time: int
    who: str
    decision: Verdict
    reason: str
    path: str | None
    content_hash: str | None
    figures: dict[str, Any]


class PromotionsResponse(BaseModel):
    """What is in force (null: the run as trained), and the decisions, newest first."""

    serving: DecisionResponse | None
    fault: str | None = Field(description="Why this gateway cannot serve that; null: it does.")
    decisions: list[DecisionResponse]


@router.get("/v1/promotions", responses=describe_errors(422, 503))
async def list_promotions(
    service: Service, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> PromotionsResponse:
    """Return what is served, and the journal of decisions."""
    serving = await service.promotions.serving()
    entries = await service.promotions.entries(limit)
    return PromotionsResponse(
        serving=None if serving.entry is None else _response(serving.entry),
        fault=serving.fault,
        decisions=[_response(entry) for entry in entries],
    )


@router.post("/v1/promotions", responses=describe_errors(400, 413, 422, 503))
async def promote(body: PromoteRequest, service: Service, request: Request) -> DecisionResponse:
    """Serve an adapter on every gateway; requests are answered by the old one until it is ready."""
    return _response(await service.promotions.promote(body.path, _who(request), body.reason))


@router.post("/v1/promotions/rollback", responses=describe_errors(400, 409, 413, 422, 503))
async def roll_back(service: Service, request: Request) -> DecisionResponse:
    """Serve on every gateway what was served before the last promotion."""
    return _response(await service.promotions.roll_back(_who(request)))


def _who(request: Request) -> str:
    key = request.scope.get("state", {}).get("key")
    return "HTTP" if key is None else f"key {key}"


def _response(entry: Entry) -> DecisionResponse:
    values = {name: getattr(entry, name) for name in DecisionResponse.model_fields}
    return DecisionResponse(**values)
