"""Recommend what the user took last, again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from genrec.baselines.scoring import ScoringRanker, count_events
from genrec.data import Dataset
from genrec.schema import Request


class RepeatLast(ScoringRanker):
    """Rank the user's own items, the newest first, then the rest by popularity.

    Where repeats are not allowed this is popularity: a reminder of what filtering takes away.
    """

    name = "repeat-last"

    @classmethod
    def fit(cls, data: Dataset) -> Self:
        """Count the train events of every item, for filling up."""
        return cls(data.items, count_events(data))

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        scores = np.zeros((len(requests), len(self._items)))
        for row, request in zip(scores, requests, strict=True):
            places = self._known(event.item_id for event in request.history.events)
            # The newest of several events with one item counts: it is written last.
            for age, place in zip(range(len(places) - 1, -1, -1), places, strict=True):
                row[place] = 1 / (1 + age)
        return scores
