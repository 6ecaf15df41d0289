"""What every request passes before it is read: key and rate; and its line in log and metrics.

Plain ASGI, so that the body of a refused request is never read and nothing is buffered.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genrec.serving.http.errors import error_response, too_large
from genrec.serving.http.security.keys import KeyRing
from genrec.serving.http.security.rate import RateLimiter
from genrec.serving.logs import log, log_fault
from genrec.serving.metrics import Metrics

GUARDED = "/v1/"
COSTLY = "/ready"
"""Needs no key, but asks the engine: counted by address."""
_BEARER = "bearer "


@dataclass
class _Answered:
    """Status of the answer, None before there is one."""

    status: int | None = None


class Guard:
    """The outermost layer of the application."""

    def __init__(
        self,
        app: ASGIApp,
        keys: KeyRing,
        limiter: RateLimiter,
        max_body_bytes: int,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._keys = keys
        self._limiter = limiter
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        answered = _Answered()

        async def watched_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]
            await send(message)

        try:
            await self._answer(scope, receive, watched_send, answered)
        finally:
            self._record(scope, answered.status or 499, time.perf_counter() - start)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, answered: _Answered
    ) -> None:
        refusal = self._refuse(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            log_fault("internal_error", error)
            if answered.status is None:
                response = error_response(500, "internal", "a fault of the server; it was logged")
                await response(scope, receive, send)

    def _refuse(self, scope: Scope) -> ASGIApp | None:
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._max_body_bytes:
            # A body without this header is cut off by FastAPI's own limit while it is read.
            self._metrics.refused.labels("size").inc()
            return too_large(self._max_body_bytes)
        is_guarded = scope["path"].startswith(GUARDED) and scope["method"] != "OPTIONS"
        if not is_guarded and scope["path"] != COSTLY:
            return None
        caller = f"address {(scope.get('client') or ('unknown', 0))[0]}"
        if self._keys and is_guarded:
            authorization = headers.get(b"authorization", b"").decode("latin-1")
            name = None
            if authorization[: len(_BEARER)].lower() == _BEARER:
                name = self._keys.find(authorization[len(_BEARER) :].strip())
            if name is None:
                self._metrics.refused.labels("key").inc()
                # Guessing is slowed down like anything else.
                wait_s = self._limiter.wait_s(caller)
                return self._too_many(wait_s) if wait_s else _UNAUTHORIZED
            caller = f"key {name}"
            scope["state"] = {**scope.get("state", {}), "key": name}
        wait_s = self._limiter.wait_s(caller)
        return self._too_many(wait_s) if wait_s else None

    def _too_many(self, wait_s: float) -> ASGIApp:
        self._metrics.refused.labels("rate").inc()
        return error_response(
            429,
            "rate_limited",
            f"too many requests; try again in {wait_s:.2f} s",
            {"Retry-After": str(math.ceil(wait_s))},
        )

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        log(
            "request",
            method=method,
            route=route,
            status=status,
            took_ms=round(seconds * 1000, 1),
            key=scope.get("state", {}).get("key"),
        )


_METHODS = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}
_UNAUTHORIZED = error_response(
    401,
    "unauthorized",
    "send a valid key: `Authorization: Bearer KEY`",
    {"WWW-Authenticate": "Bearer"},
)
