"""/v1/users/{id}/about: what users say of themselves, in their own words."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from genrec.serving.http.errors import describe_errors
from genrec.serving.http.routes.users import OfUser, UserId
from genrec.serving.http.schemas import About, RequestBody, Service

router = APIRouter(tags=["users"], route_class=OfUser)

PATH = "/v1/users/{user_id:path}/about"


class AboutRequest(RequestBody):
    """A description, in place of the one before."""

    model_config = ConfigDict(json_schema_extra={"example": {"about": "I bake, and I hike."}})

    about: About


class AboutResponse(BaseModel):
    """What is known of a user in their own words."""

    user_id: str
    about: str | None = Field(
        description="Without e-mail addresses, phone numbers and other long numbers; null: nothing."
    )


@router.get(PATH, responses=describe_errors(404, 422, 503))
async def get_about(user_id: UserId, service: Service) -> AboutResponse:
    """Return what a user says of themselves."""
    live = await service.history(user_id)
    return AboutResponse(user_id=user_id, about=live.history.about)


@router.put(PATH, responses=describe_errors(404, 400, 413, 422, 503))
async def put_about(user_id: UserId, body: AboutRequest, service: Service) -> AboutResponse:
    """Store what a user says of themselves, who may have no events yet; heeded from now on."""
    return AboutResponse(user_id=user_id, about=await service.about.put(user_id, body.about))


@router.delete(PATH, status_code=204, responses=describe_errors(404, 422, 503))
async def delete_about(user_id: UserId, service: Service) -> Response:
    """Take back what a user said of themselves."""
    live = await service.history(user_id)
    await service.about.delete(user_id, live.history.about)
    return Response(status_code=204)
