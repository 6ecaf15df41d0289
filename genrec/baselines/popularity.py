"""Recommend what most people took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from genrec.baselines.scoring import ScoringRanker, count_events
from genrec.data import Dataset
from genrec.schema import Request


class Popularity(ScoringRanker):
    """Rank by the number of train events; the same list for everybody."""

    name = "popularity"

    @classmethod
    def fit(cls, data: Dataset) -> Self:
        """Count the train events of every item."""
        return cls(data.items, count_events(data))

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        return np.tile(self._counts.astype(float), (len(requests), 1))
