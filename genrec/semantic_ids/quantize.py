"""Vectors to codes: residual k-means, and a free leaf for every item.

Enters: vectors. Leaves: codes, no two rows equal. Knows nothing of items, words or events.

Source: residual quantisation as in TIGER, arXiv 2305.05065, section 3.1. Differs: k-means instead
of a trained autoencoder, and instead of an extra code that tells equal items apart, every level
takes the nearest code below which a leaf is still free.
"""

from __future__ import annotations

import warnings

import numpy as np

from genrec.progress import track
from genrec.semantic_ids.linear import has_vector

_CHUNK_ROWS = 1 << 14


def fit_codebook_size(wanted: int, num_items: int) -> int:
    """Return how many codes a level gets: fewer than wanted for a small catalogue.

    The number grows a little faster than the root of the number of items, so that a group
    holds several items at any size: 200 items get 24 codes, 12,000 get 256 where allowed.
    """
    return int(max(2, min(wanted, round(num_items**0.6))))


def fit_centroids(
    vectors: np.ndarray, codebook_size: int, num_levels: int, seed: int, max_items: int
) -> np.ndarray:
    """Fit k-means on the vectors, then on what each level leaves over.

    Args:
        vectors: Rows of zeros, of which nothing is known, are passed over. Shape: (N, D).
        codebook_size: K, codes of a level.
        num_levels: L.
        seed: Equal seeds give equal centroids.
        max_items: Fit on at most so many rows, drawn by the seed.

    Returns:
        Shape: (L, K, D), float32; rows of zeros for codes beyond the number of vectors.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    generator = np.random.default_rng(seed)
    known = has_vector(vectors)
    residuals = (vectors[known] if known.any() else vectors).astype(np.float32)
    num_rows = min(len(residuals), max_items)
    residuals = residuals[np.sort(generator.choice(len(residuals), num_rows, replace=False))]
    centroids = np.zeros((num_levels, codebook_size, vectors.shape[1]), dtype=np.float32)
    for level in track(range(num_levels), "fitting the codebook"):
        num_codes = min(codebook_size, len(residuals))
        model = KMeans(num_codes, n_init=1, max_iter=50, random_state=seed + level)
        # With several threads the order of sums, and so the last digits, would vary.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer different rows than codes is no fault here
            labels = model.fit_predict(residuals)
        centroids[level, :num_codes] = model.cluster_centers_
        residuals = residuals - model.cluster_centers_[labels]
    return centroids


def assign_codes(
    vectors: np.ndarray, centroids: np.ndarray, taken: np.ndarray | None = None
) -> np.ndarray:
    """Give every vector the nearest codes, level by level, no leaf twice.

    Where more vectors want a code than leaves are free below it, the nearest keep it and the
    others take their next nearest; ties go to the earlier row. Leaves that are taken stay taken.

    Args:
        vectors: Shape: (N, D).
        centroids: Shape: (L, K, D).
        taken: Codes already given. Shape: (M, L).

    Returns:
        Shape: (N, L), int32.

    Raises:
        ValueError: More rows than leaves.
    """
    num_levels, codebook_size, _ = centroids.shape
    if taken is None:
        taken = np.empty((0, num_levels), dtype=np.int32)
    if len(vectors) + len(taken) > codebook_size**num_levels:
        raise ValueError(
            f"{len(vectors) + len(taken)} items need an ID, but {num_levels} levels of "
            f"{codebook_size} codes give {codebook_size**num_levels}"
        )
    codes = np.empty((len(vectors), num_levels), dtype=np.int32)
    residuals = vectors.astype(np.float32)
    nodes = np.zeros(len(vectors), dtype=np.int64)
    taken_nodes = np.zeros(len(taken), dtype=np.int64)
    for level in range(num_levels):
        leaves = codebook_size ** (num_levels - 1 - level)
        taken_next = taken_nodes * codebook_size + taken[:, level]
        codes[:, level] = _fill(residuals, nodes, centroids[level], np.sort(taken_next), leaves)
        nodes = nodes * codebook_size + codes[:, level]
        taken_nodes = taken_next
        residuals = residuals - centroids[level][codes[:, level]]
    return codes


def _fill(
    residuals: np.ndarray, nodes: np.ndarray, centroids: np.ndarray, taken: np.ndarray, leaves: int
) -> np.ndarray:
    """Choose a child for every row of one level.

    Args:
        residuals: Shape: (N, D).
        nodes: Parent of each row, as one number.
        centroids: Of this level. Shape: (K, D).
        taken: Children below which leaves are taken, once for each leaf; sorted.
        leaves: Leaves below one child.

    Returns:
        Shape: (N,), int32.
    """
    codebook_size = len(centroids)
    children = np.empty(len(nodes), dtype=np.int32)
    order = np.argsort(nodes, kind="stable")
    starts = np.flatnonzero(np.diff(nodes[order], prepend=-1))
    # Rows of one parent compete for its children, so a chunk holds whole parents.
    bounds = np.append(starts, len(order))
    begin = 0
    while begin < len(starts):
        end = int(np.searchsorted(bounds, bounds[begin] + _CHUNK_ROWS, side="right")) - 1
        end = max(end, begin + 1)
        rows = order[bounds[begin] : bounds[end]]
        parents, group = np.unique(nodes[rows], return_inverse=True)
        child_numbers = parents[:, None] * codebook_size + np.arange(codebook_size)
        left, right = (np.searchsorted(taken, child_numbers, side) for side in ("left", "right"))
        room = leaves - (right - left)
        if room.min() >= len(rows):
            children[rows] = _nearest(residuals, rows, centroids)
        else:
            children[rows] = _compete(_distances(residuals[rows], centroids), group, room)
        begin = end
    return children


def _nearest(residuals: np.ndarray, rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the nearest child of each row, where there is room for all. Shape: (n,)."""
    chunks = (rows[start : start + _CHUNK_ROWS] for start in range(0, len(rows), _CHUNK_ROWS))
    return np.concatenate(
        [_distances(residuals[chunk], centroids).argmin(axis=1) for chunk in chunks]
    )


def _distances(rows: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return squared distances. Shape: (n, K)."""
    lengths = (rows**2).sum(axis=1, keepdims=True)
    result: np.ndarray = lengths + (centroids**2).sum(axis=1) - 2 * (rows @ centroids.T)
    return result


def _compete(distances: np.ndarray, group: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Give each row its nearest child that has room, the nearest rows first.

    Args:
        distances: Shape: (n, K).
        group: Which row of ``room`` each row draws on. Shape: (n,).
        room: How many rows each child can still take; used up here. Shape: (G, K).

    Returns:
        Shape: (n,).
    """
    chosen = np.full(len(distances), -1, dtype=np.int32)
    waiting = np.arange(len(distances))
    while len(waiting):
        open_distances = np.where(room[group[waiting]] > 0, distances[waiting], np.inf)
        child = open_distances.argmin(axis=1)
        distance = open_distances[np.arange(len(waiting)), child]
        place = group[waiting] * room.shape[1] + child
        order = np.lexsort((waiting, distance, place))
        ordered = place[order]
        first = np.searchsorted(ordered, ordered, side="left")
        accepted = order[np.arange(len(order)) - first < room.reshape(-1)[ordered]]
        chosen[waiting[accepted]] = child[accepted]
        np.subtract.at(room.reshape(-1), place[accepted], 1)
        waiting = np.delete(waiting, accepted)
    return chosen
