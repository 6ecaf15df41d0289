"""Recommend what followed what the user took: counts of pairs in the order they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from scipy import sparse

from genrec.data import Dataset
from genrec.data.transitions import FADING, count_transitions
from genrec.evaluate.baselines.scoring import ScoringRanker, count_events, fading_profiles
from genrec.schema import Item, Request


class Markov(ScoringRanker):
    """The counts that the dense view reads, ``genrec.data.transitions``, by themselves."""

    name = "markov"

    def __init__(self, items: Sequence[Item], counts: np.ndarray, votes: sparse.csr_array) -> None:
        """Take the votes in the catalogue's order. Shape: (items, items)."""
        super().__init__(items, counts)
        order = np.argsort(-counts, kind="stable")
        self._votes = votes[order][:, order].tocsr()

    @classmethod
    def fit(cls, data: Dataset) -> Self:
        """Count what followed what in the train split."""
        row = data.item_index
        histories = [
            [row[event.item_id] for event in history.events] for history in data.histories("train")
        ]
        return cls(data.items, count_events(data), count_transitions(histories, len(row)))

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        places = [self._known(event.item_id for event in each.history.events) for each in requests]
        scores: np.ndarray = (
            fading_profiles(places, len(self._items), FADING) @ self._votes
        ).toarray()
        return scores
