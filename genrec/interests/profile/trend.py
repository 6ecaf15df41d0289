"""The trend of an interest: its absences tested against a random order of the same events.

Chance is the events in random order: of N events, k of an interest, all k miss a given stretch of w
with probability C(N - w, k) / C(N, k). Events of one sitting repeat one another, so those that
follow closely count for less; N, k and w are weights.

    emerging   first event late in the history, after an absence that is unlikely by chance
    fading     no recent event, and an absence at the end that is unlikely by chance
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

SESSION_GAP_S = 6 * 3600
SAME_SESSION_WEIGHT = 0.35
"""Weight of an event that follows another within one session."""
OUTLIER_SHARE = 0.05
"""Share of an interest's events ignored as outliers at either end; none of fewer than 20."""
LATE = 0.55
"""Share of the history's time after which a first event is late."""
LATELY = 0.8
"""Share of the history's time after which a last event is still recent."""
# Chosen for F1 on toy worlds (seeds 3 and 7), where ends are harder to see than beginnings.
P_MAX_EMERGING = 0.2
"""Largest p-value at which an initial absence counts as a new interest."""
P_MAX_FADING = 0.4
"""Largest p-value at which a final absence counts as a lost interest."""
P_MAX_RETURNED = 0.01
"""Largest p-value at which an absence between two events counts as a return."""


class Timeline:
    """When a history's events lie: their share of its time, and how much each counts."""

    def __init__(self, timestamps: Sequence[int]) -> None:
        """Take the times of all events, seconds, oldest first."""
        times = np.asarray(timestamps, dtype=float)
        if not len(times) or times[-1] <= times[0]:
            # No time passes, as in logs without real dates: count events instead.
            times = np.arange(len(times), dtype=float) * (SESSION_GAP_S + 1)
        self.elapsed = (times - times[:1]) / max(times[-1] - times[0], 1) if len(times) else times
        close = np.diff(times, prepend=-np.inf) <= SESSION_GAP_S
        self.weights = np.where(close, SAME_SESSION_WEIGHT, 1.0)
        self._before = np.concatenate([[0.0], self.weights.cumsum()])

    def between(self, start: int, end: int) -> float:
        """Return the weight of events ``start`` to ``end`` - 1."""
        return float(self._before[end] - self._before[start])

    def trend(self, places: Sequence[int]) -> tuple[Trend, float]:
        """Tell how an interest moves.

        Args:
            places: Its events, ascending; at least one.

        Returns:
            The trend and its p-value, which is 1 for a steady interest.
        """
        strays = int(OUTLIER_SHARE * len(places))
        places = places[strays : len(places) - strays]
        first, last = places[0], places[-1]
        met = float(self.weights[list(places)].sum())
        before = self._chance(met, self.between(0, first))
        if self.elapsed[first] > LATE and before <= P_MAX_EMERGING:
            return "emerging", before
        after = self._chance(met, self.between(last + 1, len(self.weights)))
        if self.elapsed[last] < LATELY and after <= P_MAX_FADING:
            return "fading", after
        breaks = [
            (self.between(one + 1, other), other)
            for one, other in zip(places, places[1:], strict=False)
        ]
        longest, resumed = max(breaks, default=(0.0, 0))
        # At most: any one of the breaks might have been the longest.
        between = len(breaks) * self._chance(met, longest)
        if between <= P_MAX_RETURNED and self.elapsed[resumed] > LATE:
            return "returned", between
        return "steady", 1.0

    def _chance(self, met: float, absence: float) -> float:
        """Return the probability that events of a weight, at random places, miss a stretch."""
        total = self.between(0, len(self.weights))
        return exp(_log_ways(total - absence, met) - _log_ways(total, met))


def _log_ways(total: float, chosen: float) -> float:
    """Return the logarithm of the binomial coefficient, for weights as for whole numbers."""
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(max(total - chosen, 0) + 1)
