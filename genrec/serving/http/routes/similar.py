"""POST /v1/similar: items like one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from genrec.schema import Likeness
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import Filters, Identifier, RequestBody, Service

router = APIRouter(tags=["recommend"])


class SimilarRequest(RequestBody):
    """A question for items like one."""

    model_config = ConfigDict(json_schema_extra={"example": {"item_id": "P079", "k": 5}})

    item_id: Identifier
    k: Annotated[int, Field(ge=1, strict=True, description="How many.")] = 10
    by: Likeness = Field(
        "both",
        description="`text`: their words; `behaviour`: what is done with them; `both`: their "
        "semantic IDs, which join the two.",
    )
    filters: Filters = None


class SimilarItem(BaseModel):
    """An item; `score` is a cosine."""

    item_id: str
    rank: int
    score: float
    title: str | None


class SimilarResponse(BaseModel):
    """Exactly `k` items, most like first."""

    items: list[SimilarItem]


@router.post("/v1/similar", responses=describe_errors(400, 413, 422, 503))
async def similar(body: SimilarRequest, service: Service) -> SimilarResponse:
    """Find the `k` items most like one, among those that pass the filters."""
    found = await service.similar(body.item_id, body.k, body.by, body.filters)
    return SimilarResponse(
        items=[
            SimilarItem(item_id=one.item_id, rank=one.rank, score=one.score, title=one.title)
            for one in found
        ]
    )
