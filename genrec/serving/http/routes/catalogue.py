"""GET /v1/catalogue/attributes: what filters can ask of the items."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from genrec.filters.columns import Kind
from genrec.filters.summary import AttributeSummary, summarise
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import Service

router = APIRouter(tags=["items"])


class AttributeValue(BaseModel):
    """A value, and how many items have it."""

    value: float | str
    num_items: int


class AttributeResponse(BaseModel):
    """An attribute of items; a list's values count one by one."""

    name: str
    kind: Kind
    num_items: int = Field(description="Items that have a value.")
    num_values: int = Field(description="Different values.")
    values: list[AttributeValue] = Field(description="The most frequent ones.")
    least: float | None = Field(description="The smallest number; null of texts.")
    most: float | None


class AttributesResponse(BaseModel):
    """The attributes, by name."""

    attributes: list[AttributeResponse]


@router.get("/v1/catalogue/attributes", responses=describe_errors(422, 503))
async def list_attributes(
    service: Service,
    values: Annotated[int, Query(ge=0, le=1000, description="Most values of each.")] = 50,
) -> AttributesResponse:
    """List the attributes that filters can ask for, but for texts of an item's own (its title)."""
    found = await run_sync(summarise, service.loaded.recommender.attributes, values)
    return AttributesResponse(attributes=[_response(summary) for summary in found])


def _response(summary: AttributeSummary) -> AttributeResponse:
    return AttributeResponse(
        name=summary.name,
        kind=summary.kind,
        num_items=summary.num_items,
        num_values=summary.num_values,
        values=[AttributeValue(value=value, num_items=count) for value, count in summary.values],
        least=summary.least,
        most=summary.most,
    )
