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
        """Return the number of a setting.

        Args:
            newest: NDCG@10 under each setting on the newest events, the present one first.
                Shape of each: (newest questions,).
            older: The same on older events. Shape of each: (older questions,).

        Returns:
            The best on the newest events of those that are surely better there than the present
            one, and surely keep what serves on older ones; 0, the present one, where none is so.
        """
        return surely_best(newest, [self._keeps(each) for each in older])

    def _keeps(self, found: np.ndarray) -> bool:
        return not len(found) or _low(found - self.served) > -self._may_be_lost

    @property
    def _may_be_lost(self) -> float:
        # Half of the margin: the judge asks other users, who may be less lucky.
        return self.margin / 2 * float(self.served.mean())


def surely_best(reached: Sequence[np.ndarray], allowed: Sequence[bool] | None = None) -> int:
    """Return the number of the best setting that is better than the first one, beyond chance.

    Args:
        reached: By each, question by question. Shape of each: (questions,).
        allowed: Whether each may be taken; None: all may.

    Returns:
        0, the first one, where there is none.
    """
    surely = [
        number
        for number in range(1, len(reached))
        if (allowed is None or allowed[number]) and _low(reached[number] - reached[0]) > 0
    ]
    return max(surely, key=lambda number: float(reached[number].mean()), default=0)


def _low(leads: np.ndarray) -> float:
    """Return the low end of the interval of a mean, as if normal; -inf of fewer than two."""
    if len(leads) < 2:
        return -np.inf
    return float(leads.mean() - DEVIATIONS * leads.std(ddof=1) / np.sqrt(len(leads)))
