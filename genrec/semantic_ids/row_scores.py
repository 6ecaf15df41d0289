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

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Return what is said of any rows, 0 where nothing is. Shape: that of ``rows``."""
        scores = np.zeros(rows.shape, dtype=np.float32)
        if len(self.rows):
            places = np.searchsorted(self.rows, rows).clip(max=len(self.rows) - 1)
            scores[:] = np.where(self.rows[places] == rows, self.scores[places], 0.0)
        return scores

    def without(self, rows: np.ndarray) -> RowScores:
        """Return what is said of other rows."""
        kept = ~np.isin(self.rows, rows)
        return RowScores(self.rows[kept], self.scores[kept])

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
