"""A second model's scores of all leaves, never all at once: a factor for each leaf and each row.

Enters: vectors of leaves and of rows, and single scores. Leaves: scores of consecutive places, or
of single leaves. A *place* is that of a leaf in the order of paths. Must not know what is scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from genrec.linear import linear

AT_ONCE = 2**16
"""Leaves whose vectors are looked up together."""


class SingleScores(NamedTuple):
    """Scores of few leaves, to be added to those of all.

    Attributes:
        rows: Shape: (n,), int64.
        places: Shape: (n,), int64.
        values: Shape: (n,), float32.
    """

    rows: Tensor
    places: Tensor
    values: Tensor

    @classmethod
    def none(cls, like: Tensor) -> SingleScores:
        """Return no scores, of the type and on the device of a tensor."""
        nowhere = torch.empty(0, dtype=torch.int64, device=like.device)
        return cls(nowhere, nowhere, like.new_zeros(0))


@dataclass(frozen=True, eq=False)
class FactoredScores:
    """Scores of N leaves in B rows: products of vectors, and a little more at single leaves.

    Memory is that of the vectors of leaves, which all rows share, and that of the single scores.

    Attributes:
        vectors: Of the leaves, by place. Shape: (N, W), float32.
        queries: Of the rows. Shape: (B, W), float32.
        keys: Sorted ``place * B + row`` of what is added. Shape: (E,), int64.
        values: What is added there. Shape: (E,), float32.
    """

    vectors: Tensor
    queries: Tensor
    keys: Tensor
    values: Tensor

    @classmethod
    def of(cls, vectors: Tensor, queries: Tensor, singles: SingleScores) -> FactoredScores:
        """Put single scores in order; those of one leaf and row are added up."""
        keys, index = torch.unique(
            singles.places * len(queries) + singles.rows, return_inverse=True
        )
        values = vectors.new_zeros(len(keys)).index_add_(0, index, singles.values)
        return cls(vectors, queries, keys, values)

    def none(self) -> FactoredScores:
        """Return as many scores of 0."""
        nothing = SingleScores.none(self.vectors)
        return FactoredScores.of(self.vectors[:, :0], self.queries[:, :0], nothing)

    @property
    def shape(self) -> tuple[int, int]:
        """N and B."""
        return len(self.vectors), len(self.queries)

    def block(self, first: int, last: int) -> Tensor:
        """Return the scores at places from ``first`` up to ``last``; the caller may write on them.

        Shape: (last - first, B), float32.
        """
        num_rows = len(self.queries)
        # Also where a validation in the midst of training computes its model in less.
        with torch.autocast(self.vectors.device.type, enabled=False):
            scores = linear(self.vectors[first:last], self.queries)
        ends = torch.tensor([first * num_rows, last * num_rows], device=self.keys.device)
        low, high = torch.searchsorted(self.keys, ends).tolist()
        if high > low:
            cells = self.keys[low:high] - first * num_rows
            scores.view(-1).index_add_(0, cells, self.values[low:high])
        return scores

    def at(self, rows: Tensor, places: Tensor) -> Tensor:
        """Return single scores. Shapes: (n,), (n,); and (n,), float32."""
        parts = [
            (self.vectors[some] * self.queries[of]).sum(dim=1)
            for some, of in zip(places.split(AT_ONCE), rows.split(AT_ONCE), strict=True)
        ]
        scores = torch.cat(parts) if parts else self.vectors.new_zeros(0)
        if len(self.keys):
            wanted = places * len(self.queries) + rows
            index = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
            scores += torch.where(self.keys[index] == wanted, self.values[index], 0.0)
        return scores
