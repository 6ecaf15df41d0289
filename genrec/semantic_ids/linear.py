"""The few pieces of linear algebra that every kind of vector shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# With as many directions as items every item would be alone in its own.
_ROWS_PER_DIM = 4


def normalize_rows(vectors: np.ndarray) -> np.ndarray:
    """Return rows of length 1; rows of zeros stay zeros. Shape: as given, float32."""
    vectors = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: np.ndarray = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 1e-12)
    return result


def has_vector(vectors: np.ndarray) -> np.ndarray:
    """Tell which rows hold anything: a row of zeros stands for "not known". Shape: (N,), bool."""
    result: np.ndarray = np.any(vectors != 0, axis=1)
    return result


def truncated_svd(
    matrix: csr_array, dims: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the leading singular triplets of a sparse matrix, less those that are nothing.

    Returns:
        Left vectors (N, R), values (R,) and right vectors (R, M), R at most ``dims`` and few
        enough that items have to share directions.
    """
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    rank = min(dims, max(1, min(matrix.shape) // _ROWS_PER_DIM)) if min(matrix.shape) else 0
    if rank == 0 or matrix.nnz == 0:
        return np.empty((matrix.shape[0], 0)), np.empty(0), np.empty((0, matrix.shape[1]))
    # With several threads the order of sums, and so the last digits, would vary.
    with threadpool_limits(1):
        left, values, right = randomized_svd(matrix, rank, n_iter=5, random_state=seed)
    kept = values > 1e-6 * values[0]
    return left[:, kept], values[kept], right[kept]


@dataclass(frozen=True)
class Projection:
    """A frozen reduction of ready-made vectors to their leading directions.

    Language models' vectors share a large common part, so the mean goes first.

    Attributes:
        mean: Shape: (E,), float32.
        components: Shape: (E, D), float32.
    """

    mean: np.ndarray
    components: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, dims: int) -> Projection:
        """Find the leading directions of the rows that are not zero."""
        known = vectors[has_vector(vectors)].astype(np.float64)
        if not len(known):
            return cls(
                np.zeros(vectors.shape[1], np.float32), np.empty((vectors.shape[1], 0), np.float32)
            )
        mean = known.mean(axis=0)
        centred = known - mean
        values, directions = np.linalg.eigh(centred.T @ centred / len(known))
        order = np.argsort(-values)[: min(dims, len(known))]
        order = order[values[order] > max(1e-12, 1e-6 * values.max())]
        components = directions[:, order]
        # The sign of an eigenvector is arbitrary; fix it so that equal input gives equal output.
        components *= np.sign(components[np.abs(components).argmax(axis=0), range(len(order))])
        return cls(mean.astype(np.float32), components.astype(np.float32))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Return unit vectors; rows of zeros stay zeros. Shape: (N, E) to (N, D)."""
        reduced = normalize_rows((vectors - self.mean) @ self.components)
        reduced[~has_vector(vectors)] = 0
        return reduced
