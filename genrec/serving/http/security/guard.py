"""Check every request's key and rate before it is read, and record it in log and metrics.

Plain ASGI, so that the body of a refused request is never read and nothing is buffered.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from cachetools import LRUCache
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genrec.serving.http.errors import error_response, too_large
from genrec.serving.http.security.keys import find_key
from genrec.serving.monitoring import Metrics, log, log_fault

GUARDED = "/v1/"
COSTLY = "/ready"
"""Needs no key, but asks the engine: limited by address."""
MAX_CALLERS = 10_000
_BEARER = "bearer "


class RateLimiter:
    """A token bucket per caller, filled at a constant rate; rarely seen callers are forgotten."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float]) -> None:
        """Start with every bucket full.

        Args:
            per_s: Tokens a second; 0 allows everything.
            burst: Tokens a bucket holds.
            clock: Seconds that never go back.
        """
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._buckets: LRUCache[str, tuple[float, float]] = LRUCache(MAX_CALLERS)

    def wait_s(self, caller: str) -> float:
        """Take a token; return 0, or how long to wait where there is none."""
        if not self._per_s:
            return 0.0
        now = self._clock()
        tokens, since = self._buckets.get(caller, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._per_s)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
        return 0.0 if allowed else (1 - tokens) / self._per_s


class Guard:
    """The outermost layer of the application."""

    def __init__(
        self,
        app: ASGIApp,
        keys: Mapping[str, bytes],
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
        status: int | None = None

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refusal = self._refuse(scope)
            await (refusal or self._app)(scope, receive, watched_send)
        except Exception as error:
            log_fault("internal_error", error)
            if status is None:
                response = error_response(500, "internal", "a fault of the server; it was logged")
                await response(scope, receive, watched_send)
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "none")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(method, route, str(status or 499)).inc()
            self._metrics.request_seconds.labels(route).observe(seconds)
            log(
                "request",
                method=method,
                route=route,
                status=status or 499,
                took_ms=round(seconds * 1000, 1),
                key=scope.get("state", {}).get("key"),
            )

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
                name = find_key(self._keys, authorization[len(_BEARER) :].strip())
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


_METHODS = {"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"}
_UNAUTHORIZED = error_response(
    401,
    "unauthorized",
    "send a valid key: `Authorization: Bearer KEY`",
    {"WWW-Authenticate": "Bearer"},
)
