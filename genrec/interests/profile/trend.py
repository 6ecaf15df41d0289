"""How an interest moves: what its presence and its silences say, against chance.

Chance is the events in random order: of N events, k of an interest, all k miss a given stretch of w
with probability C(N - w, k) / C(N, k). Events of one sitting repeat one another, so those that
follow closely count for less; N, k and w are weights.

    emerging   first met late in the history, after an absence that chance hardly explains
    fading     not met lately; nor does chance explain the silence at the end
    returned   met lately, after such a silence between two meetings
    steady     nothing of this

A stray event, such as a gift, comes long before or after an interest; of many events the outermost
few are passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, lgamma

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
# Chosen for F1 on toy worlds (seeds 3 and 7), where ends are harder to see than beginnings.
BEGINS = 0.2
"""Most chance of an absence that is taken for a beginning."""
ENDS = 0.4
"""Of one that is taken for an end."""
BREAKS = 0.01
"""Of one between two meetings."""


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

    def trend(self, places: Sequence[int]) -> tuple[Trend, float]:
        """Tell how an interest moves.

        Args:
            places: Its events, ascending; at least one.

        Returns:
            The trend, and how probable such an absence is by chance; 1 where it is steady.
        """
        strays = int(STRAY * len(places))
        places = places[strays : len(places) - strays]
        first, last = places[0], places[-1]
        met = float(self.weights[list(places)].sum())
        before = self._chance(met, self.between(0, first))
        if self.elapsed[first] > LATE and before <= BEGINS:
            return "emerging", before
        after = self._chance(met, self.between(last + 1, len(self.weights)))
        if self.elapsed[last] < LATELY and after <= ENDS:
            return "fading", after
        breaks = [
            (self.between(one + 1, other), other)
            for one, other in zip(places, places[1:], strict=False)
        ]
        longest, resumed = max(breaks, default=(0.0, 0))
        # At most: any one of the breaks might have been the longest.
        between = len(breaks) * self._chance(met, longest)
        if between <= BREAKS and self.elapsed[resumed] > LATE:
            return "returned", between
        return "steady", 1.0

    def _chance(self, met: float, absence: float) -> float:
        """Return the probability that events of a weight, at random places, miss a stretch."""
        total = self.between(0, len(self.weights))
        return exp(_log_ways(total - absence, met) - _log_ways(total, met))


def _log_ways(total: float, chosen: float) -> float:
    """Return the logarithm of the binomial coefficient, for weights as for whole numbers."""
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(max(total - chosen, 0) + 1)
