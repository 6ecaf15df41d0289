"""Recommend the neighbours of what the user took: items that the same people took."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from genrec.baselines.scoring import NeighbourRanker, count_events
from genrec.data import Dataset

SHRINKAGE = 1.0
"""Added to the norms, so that two items met once by one person are no close neighbours."""


class ItemKNN(NeighbourRanker):
    """Sum over the user's items, newer ones heavier, of their cosine with each other item.

    Source: Deshpande and Karypis, "Item-based top-N recommendation algorithms", TOIS 2004.
    Differs: users weigh less the more they took; every neighbour counts; events decay with age.
    """

    name = "item-knn"
    decay = 0.7

    @classmethod
    def fit(cls, data: Dataset) -> Self:
        """Compare the items by who took them in the train split."""
        events = data.interactions("train")
        ones = np.ones(len(events.user_index))
        taken = sparse.csr_matrix(
            (ones, (events.user_index, events.item_index)),
            shape=(events.num_users, events.num_items),
        )
        taken.data[:] = 1.0
        breadth = np.asarray(taken.sum(axis=1)).ravel()
        taken = sparse.diags(1 / np.log2(1 + np.maximum(breadth, 1))) @ taken
        together = (taken.T @ taken).tocsr()
        norms = np.sqrt(together.diagonal())
        together.setdiag(0)
        together.eliminate_zeros()
        similarity = together.tocoo()
        similarity.data /= norms[similarity.row] * norms[similarity.col] + SHRINKAGE
        return cls(data.items, count_events(data), similarity.tocsr())
