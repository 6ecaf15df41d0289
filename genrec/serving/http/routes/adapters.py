"""/v1/adapters: load, use and drop LoRA adapters while everything else goes on."""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from genrec.serving.gateway import Gateway, Served
from genrec.serving.http.errors import ServeError, describe_errors, show
from genrec.serving.http.schemas import Body
from genrec.serving.recommenders import AnyRecommender

router = APIRouter(tags=["adapters"])

AdapterName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", max_length=64)
]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]


class AdaptersAnswer(BaseModel):
    """What is loaded, and what is in use; null: the base alone."""

    adapters: list[str]
    adapter: str | None


class LoadBody(Body):
    """Where an adapter lies."""

    model_config = ConfigDict(json_schema_extra={"example": {"path": "sft"}})

    path: PathText = Field(description="Relative to `GENREC_ADAPTERS_DIR`, or absolute below it.")


class UseBody(Body):
    """What to use from now on."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "default"}})

    name: AdapterName | None = Field(description="A loaded adapter; null: the base alone.")


@router.get("/v1/adapters", responses=describe_errors(503))
async def list_adapters(gateway: Served) -> AdaptersAnswer:
    """List the adapters that are loaded."""
    return _state(gateway.recommender)


@router.post("/v1/adapters/use", responses=describe_errors(400, 404, 413, 422, 503))
async def use_adapter(body: UseBody, gateway: Served) -> AdaptersAnswer:
    """Use another adapter: for every request that comes after this one."""

    def work() -> AdaptersAnswer:
        if body.name is not None:
            _check_loaded(gateway.recommender, body.name)
        gateway.recommender.use_adapter(body.name)
        return _state(gateway.recommender)

    return await gateway.alone(work)


@router.put("/v1/adapters/{name}", responses=describe_errors(400, 413, 422, 503))
async def load_adapter(
    name: Annotated[AdapterName, Path()], body: LoadBody, gateway: Served
) -> AdaptersAnswer:
    """Load an adapter under a name, beside the others; it is not in use yet."""
    path = _below_adapters_dir(gateway, body.path)

    def work() -> AdaptersAnswer:
        gateway.recommender.load_adapter(name, path)
        return _state(gateway.recommender)

    return await gateway.alone(work)


@router.delete(
    "/v1/adapters/{name}", status_code=204, responses=describe_errors(404, 409, 422, 503)
)
async def drop_adapter(name: Annotated[AdapterName, Path()], gateway: Served) -> Response:
    """Drop an adapter that is not in use."""

    def work() -> None:
        _check_loaded(gateway.recommender, name)
        if gateway.recommender.adapter == name:
            raise ServeError(
                409,
                "adapter_in_use",
                f"adapter {show(name)} is in use; POST /v1/adapters/use another one first",
            )
        gateway.recommender.drop_adapter(name)

    await gateway.alone(work)
    return Response(status_code=204)


def _state(recommender: AnyRecommender) -> AdaptersAnswer:
    return AdaptersAnswer(adapters=sorted(recommender.adapters), adapter=recommender.adapter)


def _check_loaded(recommender: AnyRecommender, name: str) -> None:
    if name not in recommender.adapters:
        raise ServeError(
            404,
            "unknown_adapter",
            f"no adapter {show(name)} is loaded (there are: "
            f"{', '.join(sorted(recommender.adapters)) or 'none'}); "
            "load it with PUT /v1/adapters/NAME",
        )


def _below_adapters_dir(gateway: Gateway, given: str) -> FilePath:
    """Return the path of an adapter; a request must not reach any other file of the machine."""
    settings = gateway.settings
    folder = FilePath(os.path.realpath(settings.adapters_dir or settings.run.parent))
    path = FilePath(os.path.realpath(folder / given))
    if not path.is_relative_to(folder):
        raise ServeError(
            422,
            "path_not_allowed",
            f"{show(given)} is not below the folder of adapters; put the adapter there, or set "
            "GENREC_ADAPTERS_DIR",
        )
    return path
