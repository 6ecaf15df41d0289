"""What Prometheus reads at ``/metrics``; no label and no value tells of a single user."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

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

disable_created_metrics()

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10, 30)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one gateway."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "genrec_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "genrec_request_seconds",
            "Time from a request's arrival to its answer.",
            ["route"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.engine_seconds = Histogram(
            "genrec_engine_seconds",
            "Time the engine took for one batch.",
            ["kind"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "genrec_batch_size",
            "Requests in one batch.",
            ["kind"],
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            "genrec_queue_depth", "Requests waiting for the engine.", registry=self.registry
        )
        self.refused = Counter(
            "genrec_refused",
            "Requests refused before they were answered.",
            ["reason"],
            registry=self.registry,
        )
        self.events = Counter(
            "genrec_events", "Events posted.", ["outcome"], registry=self.registry
        )
        self.recommended = Counter(
            "genrec_recommended_items", "Items recommended.", registry=self.registry
        )
        self.invalid = Counter(
            "genrec_invalid_items",
            "Items the engine returned that do not exist, repeat or break a filter.",
            registry=self.registry,
        )
        self._invalid_rate = Gauge(
            "genrec_invalid_rate",
            "Share of the engine's items that were invalid since start.",
            registry=self.registry,
        )
        self._coverage = Gauge(
            "genrec_coverage",
            "Share of the catalogue recommended since start.",
            registry=self.registry,
        )
        self._seen: set[str] = set()
        self._returned = self._wrong = 0
        self._lock = threading.Lock()

    def watch(self, queue_depth: Callable[[], int], num_items: Callable[[], int]) -> None:
        """Take the queue's depth and the catalogue's size when asked for."""
        self.queue_depth.set_function(queue_depth)
        self._coverage.set_function(lambda: len(self._seen) / max(num_items(), 1))
        self._invalid_rate.set_function(lambda: self._wrong / max(self._returned, 1))

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
        return generate_latest(self.registry)
