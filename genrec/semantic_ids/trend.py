"""How an interest moves: what its presence and its silences say, against chance.

Events of one sitting repeat one another, so those that follow closely count for less. With r the
share of an interest among the events while it lasted, a stretch of w (weighed) events without it
has probability (1 - r) ** w. Its surprise, the negative logarithm, tells absence from chance:

    emerging   first met late in the history, after a surprising absence
    returned   met lately, after a surprising silence between two meetings
    fading     not met lately, a surprising silence at the end
    steady     nothing of this: chance explains it
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.schema import Trend

SITTING_S = 6 * 3600
SITTING_WEIGHT = 0.35
"""Of an event that follows another within a sitting."""
STRAY = 0.05
"""Share of an interest's events that may be strays, at either end: of fewer than 20 none."""
LATE = 0.55
"""Share of the history's time after which a first meeting is late."""
LATELY = 0.8
"""Share of the history's time after which a last meeting is no silence yet."""
SURPRISE = 1.0
"""Nats. An absence before the first meeting, or between two, must surprise more than this."""
SILENCE = 1.3
"""Nats. So must a silence at the end."""
BREAK = 5.0
"""Nats. So must a silence between two meetings: there are many to choose from."""


class Timeline:
    """When a history's events lie: their share of its time, and how much each counts."""

    def __init__(self, timestamps: Sequence[int]) -> None:
        """Take the times of all events, seconds, oldest first."""
        times = np.asarray(timestamps, dtype=float)
        if not len(times) or times[-1] <= times[0]:
            # No time passes, as in logs without real dates: count events instead.
            times = np.arange(len(times), dtype=float) * (SITTING_S + 1)
        self.elapsed = (times - times[:1]) / max(times[-1] - times[0], 1) if len(times) else times
        close = np.diff(times, prepend=-np.inf) <= SITTING_S
        self.weights = np.where(close, SITTING_WEIGHT, 1.0)
        self._before = np.concatenate([[0.0], self.weights.cumsum()])

    def between(self, start: int, end: int) -> float:
        """Return the weight of events ``start`` to ``end`` - 1."""
        return float(self._before[end] - self._before[start])

    def trend(self, places: Sequence[int]) -> Trend:
        """Tell how an interest moves.

        Args:
            places: Its events, ascending; at least one.
        """
        strays = int(STRAY * len(places))
        places = places[strays : len(places) - strays]
        first, last = places[0], places[-1]
        met = float(self.weights[list(places)].sum())
        rate = min((met + 0.5) / (self.between(first, last + 1) + 1.5), 0.95)
        surprise = -float(np.log1p(-rate))
        if self.elapsed[first] > LATE and surprise * self.between(0, first) > SURPRISE:
            return "emerging"
        ending = surprise * self.between(last + 1, len(self.weights))
        if self.elapsed[last] < LATELY and ending > SILENCE:
            return "fading"
        breaks = [
            (self.between(one + 1, other), other)
            for one, other in zip(places, places[1:], strict=False)
        ]
        longest, resumed = max(breaks, default=(0.0, 0))
        if longest * surprise > BREAK and self.elapsed[resumed] > LATE:
            return "returned"
        return "steady"
