"""Text, behaviour and image vectors to one vector an item, with missing parts filled in.

A new item has no behaviour yet. Zeros in its place would put it among other new items instead of
among its kind, so every part is predicted from the others by ridge regression, fitted on the items
that have both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.semantic_ids.linear import has_vector, normalize_rows

# Chosen on amazon14_beauty, by how well items whose behaviour was hidden were found again.
_RIDGE = 10.0


@dataclass(frozen=True)
class Fusion:
    """A frozen join of parts.

    Attributes:
        widths: Width of each part, in the order they are joined.
        weights: Weight of each part.
        fills: For each part the regression from the other parts and a constant.
            Shape of each: (sum of the other widths + 1, own width), float32.
    """

    widths: dict[str, int]
    weights: dict[str, float]
    fills: dict[str, np.ndarray]

    @classmethod
    def fit(cls, parts: dict[str, np.ndarray], weights: dict[str, float]) -> Fusion:
        """Learn how to fill each part; a part that is zero everywhere is left out.

        Args:
            parts: Unit rows, zeros where an item lacks the part. Shape of each: (N, width).
            weights: For every part, its share; 0 leaves it out.
        """
        used = {
            name: vectors
            for name, vectors in parts.items()
            if weights[name] > 0 and has_vector(vectors).any()
        }
        fusion = cls(
            widths={name: vectors.shape[1] for name, vectors in used.items()},
            weights={name: weights[name] for name in used},
            fills={},
        )
        for name, vectors in used.items():
            known = has_vector(vectors)
            others = fusion._others(used, name, len(vectors))
            both = known & (others[:, -1] > 0)
            if both.any():
                fusion.fills[name] = _ridge(others[both], vectors[both])
        return fusion

    def join(self, parts: dict[str, np.ndarray], num_items: int) -> np.ndarray:
        """Return unit vectors; zeros for an item without any part.

        Args:
            parts: As for ``fit``; a part may be left out altogether.
            num_items: Rows of every part.

        Returns:
            Shape: (num_items, sum of the widths), float32; of width 1 where nobody has any part.
        """
        joined = []
        for name, width in self.widths.items():
            vectors = parts.get(name, np.zeros((num_items, width), np.float32))
            others = self._others(parts, name, num_items)
            missing = ~has_vector(vectors) & (others[:, -1] > 0)
            if name in self.fills and missing.any():
                vectors = vectors.copy()
                vectors[missing] = normalize_rows(others[missing] @ self.fills[name])
            joined.append(self.weights[name] * vectors)
        if not joined:
            return np.zeros((num_items, 1), np.float32)
        return normalize_rows(np.hstack(joined))

    def _others(self, parts: dict[str, np.ndarray], name: str, num_items: int) -> np.ndarray:
        """Return the other parts side by side, and last a 1 where any of them is known."""
        columns = [np.zeros((num_items, 0), np.float32)]
        for other, width in self.widths.items():
            if other != name:
                columns.append(parts.get(other, np.zeros((num_items, width), np.float32)))
        others = np.hstack(columns)
        return np.hstack([others, has_vector(others)[:, None].astype(np.float32)])


def _ridge(inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return the coefficients of a ridge regression. Shape: (inputs' width, outputs' width)."""
    inputs = inputs.astype(np.float64)
    gram = inputs.T @ inputs + _RIDGE * np.eye(inputs.shape[1])
    return np.linalg.solve(gram, inputs.T @ outputs).astype(np.float32)
