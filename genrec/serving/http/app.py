"""The application: routes, guard and error handlers around one service."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Security
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import HTTPBearer

from genrec.errors import GenrecError
from genrec.serving import page
from genrec.serving.http.errors import install_handlers
from genrec.serving.http.routes import (
    about,
    adapters,
    catalogue,
    chat,
    events,
    experiments,
    explain,
    health,
    interests,
    items,
    online_metrics,
    preferences,
    promotions,
    recommend,
    rules,
    similar,
    users,
)
from genrec.serving.http.security.guard import Guard, RateLimiter
from genrec.serving.http.security.keys import read_keys
from genrec.serving.monitoring import log
from genrec.serving.service import RecommendationService
from genrec.serving.settings import Settings

DESCRIPTION = """\
Post events as they happen; ask for the next items and for interests. An event counts from the next
request on. Every response that is not a success is `{"error": {"code", "message"}}`.
"""


def create_app(settings: Settings, clock: Callable[[], float] = time.time) -> FastAPI:
    """Build the application; the service starts and stops with it.

    Args:
        settings: Of the service.
        clock: Tells the service the time, in seconds; another one lives through other days.

    Raises:
        ConfigError: A setting cannot be used.
    """
    keys = read_keys(settings.api_keys.get_secret_value(), settings.api_keys_file)
    service = RecommendationService(settings, clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            await service.start()
        except GenrecError as error:
            log("not_started", logging.ERROR, message=str(error))
            # The process ends; uvicorn would say the same in a page of traceback.
            logging.getLogger("uvicorn.error").disabled = True
            raise
        yield
        await service.stop()

    app = FastAPI(
        title="genrec",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's pages load scripts from other hosts; ours works offline.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    install_handlers(app, settings.retry_after_s, settings.max_body_bytes)
    app.add_middleware(
        Guard,
        keys=keys,
        limiter=RateLimiter(settings.rate_limit_per_s, settings.rate_limit_burst, time.monotonic),
        max_body_bytes=settings.max_body_bytes,
        metrics=service.metrics,
    )
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Server-Timing", "Retry-After"],
        )
    # The guard reads the key; this only tells the OpenAPI document about it.
    documented = [Security(HTTPBearer(auto_error=False))] if keys else []
    # Before users, whose path takes in all that follows it.
    for part in (
        events,
        preferences,
        about,
        users,
        recommend,
        chat,
        similar,
        explain,
        interests,
        catalogue,
        items,
        rules,
        adapters,
        online_metrics,
        experiments,
        promotions,
    ):
        app.include_router(
            part.router, dependencies=documented, max_body_size=settings.max_body_bytes
        )
    app.include_router(health.router)
    page.install(app)
    return app
