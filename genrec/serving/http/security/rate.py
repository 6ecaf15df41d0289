"""How many requests one caller may send: a bucket of tokens that fills at a constant rate."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

MAX_CALLERS = 10_000


class RateLimiter:
    """Counts per caller; the least recently seen callers are forgotten, full buckets first lost."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float]) -> None:
        """Start with every bucket full.

        Args:
            per_s: Tokens a second; 0 lets everything pass.
            burst: Tokens a bucket holds.
            clock: Seconds that never go back.
        """
        self._per_s = per_s
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, caller: str) -> float:
        """Take a token; return 0, or how long to wait where there is none."""
        if not self._per_s:
            return 0.0
        now = self._clock()
        tokens, since = self._buckets.pop(caller, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - since) * self._per_s)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._per_s
