"""What the baselines share: score the whole catalogue, apply the request's filters, take the top.

Inside, items stand in the order of their popularity in the train split, so that equal scores go to
the more popular item and whatever a baseline has no opinion about is filled up with popularity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Self

import numpy as np
from scipy import sparse

from genrec.data import Dataset
from genrec.evaluate.provenance import hash_counts
from genrec.schema import Item, Recommendation, Request

_CELLS_AT_ONCE = 1 << 23
"""Scores held at a time: 64 MiB."""


class ScoringRanker(ABC):
    """A ``schema.Ranker`` that gives every item of the catalogue a score."""

    name: str

    def __init__(self, items: Sequence[Item], counts: np.ndarray) -> None:
        """Order the catalogue.

        Args:
            items: The catalogue.
            counts: Events of each item in the train split. Shape: (items,).
        """
        order = np.argsort(-counts, kind="stable")
        self._items = [items[index] for index in order]
        self._counts = counts[order]
        self.provenance = {"item_counts": {"upto": "train", "hash": hash_counts(counts)}}

    @classmethod
    @abstractmethod
    def fit(cls, data: Dataset) -> Self:
        """Learn from the train split."""

    @abstractmethod
    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        """Score every item for every request, at least 0. Shape: (requests, items), float."""

    @cached_property
    def _places(self) -> dict[str, int]:
        return {item.item_id: place for place, item in enumerate(self._items)}

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """Rank items for each request, as ``schema.Ranker`` promises.

        Events with items outside the catalogue are passed over.
        """
        step = max(1, _CELLS_AT_ONCE // len(self._items))
        answers = []
        for start in range(0, len(requests), step):
            batch = requests[start : start + step]
            for request, scores in zip(batch, self._score(batch), strict=True):
                self._forbid(request, scores)
                answers.append(self._take_top(scores, k))
        return answers

    def _known(self, item_ids: Iterable[str]) -> list[int]:
        """Return the places of those items that the catalogue has, in the order given."""
        return [self._places[item_id] for item_id in item_ids if item_id in self._places]

    def _forbid(self, request: Request, scores: np.ndarray) -> None:
        """Set to -inf, in place, what the request does not allow."""
        if request.candidates is not None:
            is_outside = np.ones(len(scores), dtype=bool)
            is_outside[self._known(request.candidates)] = False
            scores[is_outside] = -np.inf
        scores[self._known(request.forbidden)] = -np.inf

    def _take_top(self, scores: np.ndarray, k: int) -> list[Recommendation]:
        # Most scores are 0, and a partition of many equal numbers is slower than this sort.
        liked = np.flatnonzero(scores > 0)
        best = liked[np.argsort(-scores[liked], kind="stable")][:k]
        if len(best) < k:
            others = np.flatnonzero(scores == 0)[: k - len(best)]
            best = np.concatenate([best, others])
        return [
            Recommendation(self._items[place].item_id, rank, score, self._items[place].title)
            for rank, (place, score) in enumerate(
                zip(best.tolist(), scores[best].tolist(), strict=True), start=1
            )
        ]


class NeighbourRanker(ScoringRanker):
    """Sums what the user's items say of every other item, newer ones louder.

    Attributes:
        decay: Weight of an event relative to the one after it.
    """

    decay: float

    def __init__(
        self, items: Sequence[Item], counts: np.ndarray, neighbours: sparse.csr_array
    ) -> None:
        """Take what each item says of the others, in the catalogue's order. Shape: (N, N)."""
        super().__init__(items, counts)
        order = np.argsort(-counts, kind="stable")
        self._neighbours = neighbours[order][:, order].tocsr()

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        places = [self._known(event.item_id for event in each.history.events) for each in requests]
        lengths = [len(history) for history in places]
        columns = [place for history in places for place in history]
        values = [self.decay**age for length in lengths for age in range(length - 1, -1, -1)]
        rows = np.repeat(np.arange(len(places)), lengths)
        shape = (len(places), len(self._items))
        profiles = sparse.csr_array((values, (rows, columns)), shape=shape, dtype=float)
        scores: np.ndarray = (profiles @ self._neighbours).toarray()
        return scores


def count_events(data: Dataset) -> np.ndarray:
    """Return how many train events each item has. Shape: (items,)."""
    return data.interactions("train").item_counts
