"""Recommend what followed what the user took: counts of pairs in the order they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from genrec.data import Dataset
from genrec.evaluate.baselines.scoring import ScoringRanker, count_events
from genrec.model.dense import pad_histories
from genrec.model.transitions import Transitions
from genrec.schema import Item, Request


class Markov(ScoringRanker):
    """The counts that the dense view reads, ``genrec.model.transitions``, by themselves."""

    name = "markov"

    def __init__(self, items: Sequence[Item], counts: np.ndarray, transitions: Transitions) -> None:
        """Take the transitions of rows in the catalogue's order."""
        super().__init__(items, counts)
        self._order = np.argsort(-counts, kind="stable")
        self._transitions = transitions

    @classmethod
    def fit(cls, data: Dataset) -> Self:
        """Count what followed what in the train split."""
        row = data.item_index
        histories = [
            [row[event.item_id] for event in history.events] for history in data.histories("train")
        ]
        counted = Transitions.count(histories, len(row))
        return cls(data.items, count_events(data), counted)

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        places = [self._known(event.item_id for event in each.history.events) for each in requests]
        histories = pad_histories([self._order[known].tolist() for known in places])
        scores: np.ndarray = self._transitions(histories)[:, self._order].numpy()
        return scores
