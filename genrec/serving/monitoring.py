"""Metrics that Prometheus reads at ``/metrics``, and logs as JSON lines.

Neither holds user text or secrets: no label identifies a user, a log line names the route's
template (never the path, the query or the body), and a fault is logged by its type and location,
never by its message, which may quote what a user sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]

LOGGER = logging.getLogger("serve")
_FIELDS = "fields"

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


MERGED_METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""Where it is set as this process starts, `/metrics` tells of all workers that share the folder."""
REFRESH_S = 1.0
"""How old what one worker tells of another may be."""


class Sessions(Protocol):
    """What is kept of prompts; see ``genrec.decode.prefix_cache``."""

    num_bytes: int
    tokens_asked: int
    tokens_found: int


class Metrics:
    """Counters of one server, or of all workers of a gateway.

    Attributes:
        registry: What ``/metrics`` shows.
    """

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        if os.environ.get(MERGED_METRICS):
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
            own = CollectorRegistry()
        else:
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
        counter = partial(Counter, namespace="genrec", registry=own)
        gauge = partial(Gauge, namespace="genrec", registry=own)
        histogram = partial(Histogram, namespace="genrec", registry=own)
        self.requests = counter("requests", "Requests answered.", ["method", "route", "status"])
        self.refused = counter("refused", "Requests refused before they were answered.", ["reason"])
        self.events = counter("events", "Events posted.", ["outcome"])
        self.impressions = counter("impressions", "Answers stored as shown.")
        self.introductions = counter(
            "introductions", "Answers of a chat that a model was asked to introduce.", ["outcome"]
        )
        self.recommended = counter("recommended_items", "Items recommended.")
        self.invalid = counter(
            "invalid_items",
            "Items the engine returned that do not exist, repeat or break a filter.",
        )
        self.request_seconds = histogram(
            "request_seconds",
            "Time from a request's arrival to its answer.",
            ["route"],
            buckets=LATENCY_BUCKETS,
        )
        self.engine_seconds = histogram(
            "engine_seconds",
            "Time the engine took for one batch.",
            ["kind"],
            buckets=LATENCY_BUCKETS,
        )
        self.batch_size = histogram(
            "batch_size", "Requests in one batch.", ["kind"], buckets=BATCH_BUCKETS
        )
        self.queue_depth = gauge(
            "queue_depth", "Requests waiting for the engine.", multiprocess_mode="livesum"
        )
        self._invalid_rate = gauge(
            "invalid_rate",
            "Share of the engine's items that were invalid since start.",
            multiprocess_mode="liveall",
        )
        self._coverage = gauge(
            "coverage",
            "Share of the catalogue recommended since start.",
            multiprocess_mode="liveall",
        )
        self._session_bytes = gauge(
            "session_cache_bytes",
            "What the torch engine keeps of prompts it read.",
            multiprocess_mode="livesum",
        )
        self._session_hit_rate = gauge(
            "session_hit_rate",
            "Share of prompts' tokens since start that were not read again.",
            multiprocess_mode="liveall",
        )
        self._watched: list[tuple[Gauge, Callable[[], float]]] = []
        self._seen: set[str] = set()
        self._returned = self._wrong = 0
        self._lock = threading.Lock()

    def watch(
        self,
        queue_depth: Callable[[], int],
        num_items: Callable[[], int],
        sessions: Callable[[], Sessions | None],
    ) -> None:
        """Take the queue's depth, the catalogue's size and the session cache when asked for."""

        def hit_rate() -> float:
            cache = sessions()
            return 0 if cache is None else cache.tokens_found / max(cache.tokens_asked, 1)

        def num_bytes() -> int:
            cache = sessions()
            return 0 if cache is None else cache.num_bytes

        self._watched = [
            (self._session_bytes, num_bytes),
            (self._session_hit_rate, hit_rate),
            (self.queue_depth, queue_depth),
            (self._coverage, lambda: len(self._seen) / max(num_items(), 1)),
            (self._invalid_rate, lambda: self._wrong / max(self._returned, 1)),
        ]

    async def keep_fresh(self) -> None:
        """Take what is watched often, so that another worker can tell of it, until cancelled."""
        while True:
            self._refresh()
            await asyncio.sleep(REFRESH_S)

    def count_items(self, item_ids: Iterable[str], invalid: int) -> None:
        """Count what one request was answered with, and what had to be thrown away."""
        valid = list(item_ids)
        with self._lock:
            self._seen.update(valid)
            self._returned += len(valid) + invalid
            self._wrong += invalid
        self.recommended.inc(len(valid))
        self.invalid.inc(invalid)

    def render(self) -> bytes:
        """Return the text Prometheus reads."""
        self._refresh()
        return generate_latest(self.registry)

    def _refresh(self) -> None:
        for measured, read in self._watched:
            measured.set(read())


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter.format``."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if record.name == LOGGER.name else record.name,
        }
        if record.name != LOGGER.name and not record.exc_info:
            line["message"] = record.getMessage()
        line.update(getattr(record, _FIELDS, {}))
        if record.exc_info and record.exc_info[1] is not None:
            line.update(describe_fault(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False)


def log(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Write one line."""
    LOGGER.log(level, event, extra={_FIELDS: fields})


def log_fault(event: str, error: BaseException) -> None:
    """Write that something broke and where."""
    log(event, logging.ERROR, **describe_fault(error))


def describe_fault(error: BaseException) -> dict[str, Any]:
    """Return an exception's type and the places it passed, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "fault": type(error).__name__,
        "where": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    }


def configure_logging(level: str) -> None:
    """Send every logger's lines, the server's among them, to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # serving.metrics writes one line a request; uvicorn's would hold paths and queries.
    logging.getLogger("uvicorn.access").disabled = True
