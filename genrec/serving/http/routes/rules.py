"""/v1/rules: what a shop decides about every list, by name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from genrec.rules.language import RULE_KINDS
from genrec.serving.http.errors import describe_errors
from genrec.serving.http.schemas import JsonObject, RequestBody, Service
from genrec.serving.service import RecommendationService
from genrec.serving.store import StoredRule

router = APIRouter(tags=["rules"])

RuleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class RuleRequest(RequestBody):
    """A rule to store."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"rule": {"at_most": 2, "per": "brand"}, "always": True}}
    )

    rule: JsonObject = Field(
        description=f"One of {', '.join(f'`{kind}`' for kind in RULE_KINDS)}; docs/rules.md "
        "describes each."
    )
    always: bool = Field(
        False, strict=True, description="Whether it holds for requests that do not name it, too."
    )


class RuleResponse(BaseModel):
    """A version of a rule, and when it was stored (seconds).

    `fault` says why this gateway cannot answer as it says; null: it can.
    """

    name: str
    version: int
    rule: dict[str, Any]
    always: bool
    time: int
    fault: str | None


class RulesResponse(BaseModel):
    """The rules, by name."""

    rules: list[RuleResponse]


@router.get("/v1/rules", responses=describe_errors(503))
async def list_rules(service: Service) -> RulesResponse:
    """List every rule."""
    return RulesResponse(rules=[_response(one, service) for one in await service.rules.all()])


@router.get("/v1/rules/{name}", responses=describe_errors(404, 422, 503))
async def get_rule(
    name: Annotated[RuleName, Path()],
    service: Service,
    version: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Missing: the newest.")
    ] = None,
) -> RuleResponse:
    """Return a rule, or an earlier version of it."""
    return _response(await service.rules.get(name, version), service)


@router.put("/v1/rules/{name}", responses=describe_errors(404, 400, 413, 422, 503))
async def put_rule(
    name: Annotated[RuleName, Path()], body: RuleRequest, service: Service
) -> RuleResponse:
    """Store a rule's next version; it is heeded from the next request on."""
    return _response(await service.rules.put(name, body.rule, body.always), service)


@router.delete("/v1/rules/{name}", status_code=204, responses=describe_errors(404, 422, 503))
async def delete_rule(name: Annotated[RuleName, Path()], service: Service) -> Response:
    """Delete a rule; its versions can still be read."""
    await service.rules.delete(name)
    return Response(status_code=204)


def _response(stored: StoredRule, service: RecommendationService) -> RuleResponse:
    return RuleResponse(
        name=stored.name,
        version=stored.version,
        rule=dict(stored.rule or {}),
        always=stored.always,
        time=stored.time,
        fault=service.rules.fault(stored),
    )
