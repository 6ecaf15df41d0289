"""What is said of some rows of an ID table, and of no other; an engine is sent it with a query."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class RowScores(NamedTuple):
    """Scores of some rows.

    Attributes:
        rows: Of the ID table, in order. Shape: (M,), int64.
        scores: Above 0. Shape: (M,), float32.
    """

    rows: np.ndarray
    scores: np.ndarray

    def plus(self, other: RowScores, share: float) -> RowScores:
        """Return the sum of both, of the other a share."""
        if not len(other.rows) or not share:
            return self
        rows = np.union1d(self.rows, other.rows)
        scores = np.zeros(len(rows), dtype=np.float32)
        scores[np.searchsorted(rows, self.rows)] += self.scores
        scores[np.searchsorted(rows, other.rows)] += share * other.scores
        return RowScores(rows, scores)


NOTHING = RowScores(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))
