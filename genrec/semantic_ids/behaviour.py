"""Training events to item vectors: the interest graph, seen from its items.

Items met close together in users' histories are linked; links are weighed by how much oftener
than chance they occur (PPMI), and the leading directions of that matrix are the vectors.

Source: Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization".
Differs: pairs fade with their distance in events and in time.

Source of the propagation: He et al. 2020, "LightGCN", arXiv 2002.02126, section 3.1. Differs: the
first layer is that factorization instead of learned vectors, the graph one of items alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from genrec.data.co_occurrence import close_pairs
from genrec.data.half_life import decay
from genrec.semantic_ids.config import BehaviourConfig
from genrec.semantic_ids.linear import normalize_rows, truncated_svd

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from genrec.data import Interactions

_DAY_S = 86_400


def behaviour_vectors(interactions: Interactions, config: BehaviourConfig, seed: int) -> np.ndarray:
    """Return a unit vector for every item met beside another, zeros for the rest.

    Args:
        interactions: Training events only: later ones would leak into the IDs.
        config: See ``BehaviourConfig``.
        seed: Of the randomized SVD.

    Returns:
        Shape: (num_items, at most dims), float32.
    """
    pairs = cooccurrences(interactions, config)
    vectors = factorize(ppmi(pairs, config), config.dims, seed)
    if config.method == "propagation":
        vectors = propagate(pairs, vectors, config.layers)
    return vectors


def cooccurrences(interactions: Interactions, config: BehaviourConfig) -> csr_array:
    """Sum the decayed weights of every pair of items met within the window.

    Returns:
        Symmetric, without a diagonal. Shape: (num_items, num_items), float64.
    """
    from scipy.sparse import csr_array

    items, times = interactions.item_index, interactions.timestamp
    shape = (interactions.num_items, interactions.num_items)
    total = csr_array(shape, dtype=np.float64)
    for distance, earlier, later in close_pairs(interactions.user_index, config.window):
        days = (times[later] - times[earlier]) / _DAY_S
        weights = decay(days, config.half_life_days) / distance
        weights[items[earlier] == items[later]] = 0
        total = total + csr_array((weights, (items[earlier], items[later])), shape=shape)
    total = (total + total.T).tocsr()
    total.eliminate_zeros()
    return total


def ppmi(pairs: csr_array, config: BehaviourConfig) -> csr_array:
    """Return positive pointwise mutual information, shifted, with smoothed context counts."""
    from scipy.sparse import csr_array

    entries = pairs.tocoo()
    row_sums = pairs.sum(axis=1)
    context = row_sums**config.smoothing
    context = context / max(context.sum(), np.finfo(float).tiny)
    rows, columns = entries.coords
    information = np.log(entries.data / (row_sums[rows] * context[columns])) - config.shift
    kept = information > 0
    return csr_array((information[kept], (rows[kept], columns[kept])), shape=pairs.shape)


def factorize(matrix: csr_array, dims: int, seed: int) -> np.ndarray:
    """Return unit rows of U sqrt(S); rows that were empty stay zeros."""
    left, values, _ = truncated_svd(matrix, dims, seed)
    vectors = left * np.sqrt(values)
    vectors[np.diff(matrix.indptr) == 0] = 0
    return normalize_rows(vectors)


def propagate(pairs: csr_array, vectors: np.ndarray, layers: int) -> np.ndarray:
    """Return unit rows of the mean over layers; each is the one before, averaged over neighbours.

    An item without a vector of its own gets its neighbours'.

    Args:
        pairs: Symmetric weights of items met together. Shape: (num_items, num_items).
        vectors: The first layer. Shape: (num_items, D).
        layers: Layers after the first.
    """
    from scipy.sparse import diags_array

    degrees = pairs.sum(axis=1)
    roots = np.divide(1, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)
    scale = diags_array(roots)
    neighbours = scale @ pairs @ scale
    layer = total = vectors.astype(np.float64)
    for _ in range(layers):
        layer = neighbours @ layer
        total = total + layer
    return normalize_rows(total)
