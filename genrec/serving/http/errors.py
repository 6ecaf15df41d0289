"""Every error as one JSON shape: ``{"error": {"code": ..., "message": ...}}``.

A message says what was wrong and what to do; a stack trace never leaves the process.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from genrec.errors import EngineUnavailable, GenrecError
from genrec.serving.errors import Conflict, NotFound, Overloaded, ServiceError
from genrec.serving.monitoring import log, log_fault

MAX_FAULTS = 5


class Fault(BaseModel):
    """What went wrong."""

    code: str
    message: str


class ErrorResponse(BaseModel):
    """The body of every response that is not a success."""

    error: Fault


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Build the response to a request that failed."""
    body = ErrorResponse(error=Fault(code=code, message=message))
    return JSONResponse(body.model_dump(), status, dict(headers or {}))


def describe_errors(status: int, *codes: int) -> dict[int | str, dict[str, Any]]:
    """Return what the OpenAPI document says about these statuses."""
    return {code: {"model": ErrorResponse} for code in (status, *codes)}


def too_large(max_body_bytes: int) -> JSONResponse:
    """Build the response to a body that is not read to its end."""
    return error_response(
        413,
        "body_too_large",
        f"the body exceeds {max_body_bytes} bytes; send it in parts",
        {"Connection": "close"},
    )


def install_handlers(app: FastAPI, retry_after_s: int, max_body_bytes: int) -> None:
    """Answer every exception in the one shape."""
    retry = {"Retry-After": str(retry_after_s)}

    @app.exception_handler(GenrecError)
    async def on_genrec_error(_: Request, error: GenrecError) -> JSONResponse:
        status = 404 if isinstance(error, NotFound) else 409 if isinstance(error, Conflict) else 422
        code = error.code if isinstance(error, ServiceError) else _code_of(error)
        return error_response(status, code, str(error))

    @app.exception_handler(EngineUnavailable)
    async def on_engine_away(_: Request, error: EngineUnavailable) -> JSONResponse:
        # The message names an internal address: it belongs in the log only.
        log("engine_away", logging.WARNING, message=str(error))
        message = f"the model's server does not answer now; ask again in {retry_after_s} s"
        return error_response(503, "engine_unavailable", message, retry)

    @app.exception_handler(Overloaded)
    async def on_overload(_: Request, error: Overloaded) -> JSONResponse:
        return error_response(503, "overloaded", str(error), retry)

    @app.exception_handler(SQLAlchemyError)
    async def on_store_error(_: Request, error: SQLAlchemyError) -> JSONResponse:
        log_fault("store_error", error)
        message = "the event store does not answer; nothing was stored, send the request again"
        return error_response(503, "store_unavailable", message, retry)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        message = _describe(error)
        if isinstance(error.body, bytes):
            message = "the body is not JSON; send it with `Content-Type: application/json`"
        return error_response(422, "invalid_request", message)

    @app.exception_handler(HTTPException)
    async def on_http(_: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 413:
            return too_large(max_body_bytes)
        code, message = _HTTP.get(error.status_code, ("http_error", str(error.detail)))
        return error_response(error.status_code, code, message, error.headers)


_HTTP = {
    400: ("invalid_request", "the body is not JSON in UTF-8; /openapi.json describes each body"),
    404: ("not_found", "no such address; /openapi.json lists them"),
    405: ("method_not_allowed", "this address has no such method; /openapi.json lists them"),
}


def _code_of(error: GenrecError) -> str:
    name = type(error).__name__.removesuffix("Error")
    return "".join("_" + char.lower() if char.isupper() else char for char in name).strip("_")


def _describe(error: RequestValidationError) -> str:
    """Say where the faults are and what was expected, without quoting what was sent."""
    # What our own checks say needs no such beginning.
    faults = [
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg'].removeprefix('Value error, ')}"
        for fault in error.errors()[:MAX_FAULTS]
    ]
    more = len(error.errors()) - len(faults)
    return "; ".join(faults) + (f"; and {more} more" if more > 0 else "")
