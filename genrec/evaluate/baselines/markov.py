"""Recommend what followed what the user took: counts of pairs in the order they came."""

from __future__ import annotations

from typing import Self

from genrec.data import Dataset
from genrec.data.transitions import FADING, count_transitions
from genrec.evaluate.baselines.scoring import NeighbourRanker, count_events


class Markov(NeighbourRanker):
    """The counts that the dense view reads, ``genrec.data.transitions``, by themselves."""

    name = "markov"
    decay = FADING

    @classmethod
    def fit(cls, data: Dataset) -> Self:
        """Count what followed what in the train split."""
        row = data.item_index
        histories = [
            [row[event.item_id] for event in history.events] for history in data.histories("train")
        ]
        return cls(data.items, count_events(data), count_transitions(histories, len(row)))
