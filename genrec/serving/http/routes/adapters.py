"""/v1/adapters: load, use and drop LoRA adapters while everything else goes on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import RequestBody, Service
from genrec.serving.service import RecommendationService

router = APIRouter(tags=["adapters"])

AdapterName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", max_length=64)
]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]


class AdaptersResponse(BaseModel):
    """What is loaded, and what is in use; null: the base alone."""

    adapters: list[str]
    adapter: str | None


class LoadAdapterRequest(RequestBody):
    """Where an adapter is stored."""

    model_config = ConfigDict(json_schema_extra={"example": {"path": "sft"}})

    path: PathText = Field(description="Relative to `GENREC_ADAPTERS_DIR`, or absolute below it.")


class UseAdapterRequest(RequestBody):
    """What to use from now on."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "default"}})

    name: AdapterName | None = Field(description="A loaded adapter; null: the base alone.")


@router.get("/v1/adapters", responses=describe_errors(503))
async def list_adapters(service: Service) -> AdaptersResponse:
    """List the adapters that are loaded."""
    return _state(service)


@router.post("/v1/adapters/use", responses=describe_errors(400, 404, 413, 422, 503))
async def use_adapter(body: UseAdapterRequest, service: Service) -> AdaptersResponse:
    """Use another adapter, for every later request."""
    await service.adapters.use(body.name)
    return _state(service)


@router.put("/v1/adapters/{name}", responses=describe_errors(400, 413, 422, 503))
async def load_adapter(
    name: Annotated[AdapterName, Path()], body: LoadAdapterRequest, service: Service
) -> AdaptersResponse:
    """Load an adapter under a name, beside the others; it is not in use yet."""
    await service.adapters.load(name, body.path)
    return _state(service)


@router.delete(
    "/v1/adapters/{name}", status_code=204, responses=describe_errors(404, 409, 422, 503)
)
async def drop_adapter(name: Annotated[AdapterName, Path()], service: Service) -> Response:
    """Drop an adapter that is not in use."""
    await service.adapters.drop(name)
    return Response(status_code=204)


def _state(service: RecommendationService) -> AdaptersResponse:
    recommender = service.loaded.recommender
    return AdaptersResponse(adapters=sorted(recommender.adapters), adapter=recommender.adapter)
