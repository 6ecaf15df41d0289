"""/v1/users: list users, read their events, delete them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import Match
from starlette.types import Scope

from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import Identifier, Service, ShortText

router = APIRouter(tags=["users"])

UserId = Annotated[Identifier, Path(description="External ID.")]


class OfUser(APIRoute):
    """Something of a user: ``{user_id:path}/about`` and others.

    An ID may hold slashes, which its client sends as %2F: ``u%2Fabout`` names a user, ``u/about``
    what user ``u`` says.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether the address as it was sent ends with this route's name."""
        sent, name = scope.get("raw_path"), self.path.rpartition("/")[2]
        if sent is not None and not sent.endswith(f"/{name}".encode()):
            return Match.NONE, {}
        return super().matches(scope)


class User(BaseModel):
    """A listed user."""

    user_id: str
    num_events: int


class UsersResponse(BaseModel):
    """Users, by ID."""

    users: list[User]


class UserEvent(BaseModel):
    """One event of a user; `event_id` is null where it came without one."""

    event_id: str | None
    item_id: str
    title: str | None
    timestamp: int
    event_type: str | None
    rating: float | None
    review: str | None


class UserResponse(BaseModel):
    """A user's events, oldest first."""

    user_id: str
    events: list[UserEvent]


@router.get("/v1/users", responses=describe_errors(422, 503))
async def list_users(
    service: Service,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    query: Annotated[ShortText, Query(description="Part of an ID.")] = "",
) -> UsersResponse:
    """List users, of the prepared data and of posted events, in the order of their IDs."""
    found = await service.find_users(query, limit)
    return UsersResponse(users=[User(user_id=name, num_events=count) for name, count in found])


@router.get("/v1/users/{user_id:path}", responses=describe_errors(404, 422, 503))
async def get_user(user_id: UserId, service: Service) -> UserResponse:
    """Return a user's events (the newest `GENREC_MAX_HISTORY_EVENTS`)."""
    live = await service.user(user_id)
    recommender = service.loaded.recommender
    events = [
        UserEvent(
            event_id=event_id,
            item_id=event.item_id,
            title=(
                recommender.item(event.item_id).label if recommender.knows(event.item_id) else None
            ),
            timestamp=event.timestamp,
            event_type=event.event_type,
            rating=event.rating,
            review=event.opinion,
        )
        for event, event_id in zip(live.history.events, live.event_ids, strict=True)
    ]
    return UserResponse(user_id=user_id, events=events)


@router.delete(
    "/v1/users/{user_id:path}", status_code=204, responses=describe_errors(404, 422, 503)
)
async def delete_user(user_id: UserId, service: Service) -> Response:
    """Delete a user's posted events, and never read the prepared data's again.

    Events posted afterwards begin a new history.
    """
    await service.forget_user(user_id)
    return Response(status_code=204)
