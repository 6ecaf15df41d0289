"""Recommend what followed what the user took: counts of pairs in the order they came."""

from __future__ import annotations

from typing import Self

from genrec.baselines.scoring import NeighbourRanker, count_events
from genrec.data import Dataset
from genrec.model.transition_counts import FADING, count_transitions


class Markov(NeighbourRanker):
    """The counts that the SASRec head reads, ``genrec.model.transition_counts``, by themselves."""

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
