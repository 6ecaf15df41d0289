"""Which of several settings an update takes: better on the newest events, not worse on older ones.

Enters: what each setting reaches, question by question. Leaves: one of them. It follows the rule by
which the update is judged afterwards, on other events, so that what is chosen is seldom refused.
Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DEVIATIONS = 1.96


@dataclass(frozen=True, eq=False)
class Watched:
    """How settings are compared.

    Attributes:
        served: NDCG@10 of what serves on older events. Shape: (older questions,), or none.
        margin: Share of it that may seem lost.
    """

    served: np.ndarray
    margin: float

    def choose(self, newest: Sequence[np.ndarray], older: Sequence[np.ndarray]) -> int:
        """Return the number of the best setting.

        Args:
            newest: NDCG@10 under each setting on the newest events, the present one first.
                Shape of each: (newest questions,).
            older: The same on older events. Shape of each: (older questions,).

        Returns:
            Of the settings that are not worse on older events beyond the margin the best on the
            newest ones, where it leads the present one by more than chance; else the present one.
            Where all are worse, the one that is least so.
        """
        lows = [self._low(each) for each in older]
        allowed = [number for number, low in enumerate(lows) if low > -self._tolerated]
        if not allowed:
            return int(np.argmax(lows))
        if not len(newest[0]):
            return allowed[0]
        best = max(allowed, key=lambda number: float(np.mean(newest[number])))
        lead, error = _mean_and_error(newest[best] - newest[0])
        return 0 if lead <= error and 0 in allowed else best

    @property
    def _tolerated(self) -> float:
        return self.margin * float(np.mean(self.served)) if len(self.served) else np.inf

    def _low(self, found: np.ndarray) -> float:
        """Return the low end of the lead over what serves."""
        if not len(found):
            return 0.0
        mean, error = _mean_and_error(found - self.served)
        return mean - DEVIATIONS * error


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return float(np.mean(values)), error
