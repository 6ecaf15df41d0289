"""Fusion of a causal LM with a second model of whole items, at every step of the search.

Enters: a score for every leaf of every row, from whatever model reads the same prompt. Leaves: for
any node the log of what lies below it, fused with the causal LM's scores of the children.

The odds of a node's children under the second model are the sums of its odds over the leaves below
them. Causal LM and second model are fused as a geometric mean, child by child: the fused odds are
normalised among siblings like the LM's own (``policy``), so beams, filters, forced steps and the
share of new items keep their meaning, and beams are led to leaves that either model likes.

Source: product of experts (Hinton 1999); pooling a generative and a dense model follows LIGER,
arXiv 2411.18814. Differs: LIGER ranks the union of two candidate lists; here both steer the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie


@dataclass(frozen=True, eq=False)
class LogitFusion:
    """The second model's scores of each row.

    Memory and time grow with rows times nodes.

    Attributes:
        subtree_logsumexp: Log of the summed odds of the allowed leaves below each node, up to a
            constant of the row; -inf where there is none. Shape: (B, num_nodes), float32.
        weight: Of the second model, above 0 and at most 1; the LM has the rest.
    """

    subtree_logsumexp: Tensor
    weight: float

    @classmethod
    def build(
        cls,
        trie: DeviceTrie,
        leaf_logits: Tensor,
        weight: float,
        constraint: Constraint | None = None,
    ) -> LogitFusion:
        """Sum the odds of the leaves up the trie.

        Args:
            trie: The prefix index.
            leaf_logits: Finite scores of the leaves. Shape: (B, num_leaves).
            weight: See the class.
            constraint: What it forbids counts for nothing.

        Raises:
            ValueError: A weight outside (0, 1], or scores of another number of leaves.
        """
        if not 0 < weight <= 1:
            raise ValueError(f"the weight is {weight}; it lies above 0 and is at most 1")
        if leaf_logits.shape[1] != trie.num_leaves:
            raise ValueError(f"{leaf_logits.shape[1]} scores, {trie.num_leaves} leaves")
        level = leaf_logits.float()[:, trie.leaf_at.long()]
        if constraint is not None:
            places = torch.arange(trie.num_leaves + 1, device=level.device)
            counts = constraint.leaves_before(places.expand(len(level), -1))
            level = level.masked_fill(counts.diff() == 0, -torch.inf)
        levels = [level]
        for depth in range(trie.num_levels - 1, -1, -1):
            first, last = trie.level_start[depth], trie.level_start[depth + 1]
            begins = trie.first_child[first : last + 1].long()
            levels.append(_sum_siblings(levels[-1], begins.diff()))
        return cls(torch.cat(levels[::-1], dim=1), weight)

    def fuse(self, logits: Tensor, nodes: Tensor) -> Tensor:
        """Add the LM's and the second model's scores of children.

        Args:
            logits: Shape: (B, ...).
            nodes: The children. Shape: (B, ...).

        Returns:
            Scores that mean something among siblings only. Shape: (B, ...), float32.
        """
        last = self.subtree_logsumexp.shape[1] - 1
        below = self.subtree_logsumexp.gather(1, nodes.clamp(max=last).flatten(1)).view(nodes.shape)
        if self.weight == 1:
            return below
        return (1 - self.weight) * logits.float() + self.weight * below


def _sum_siblings(logs: Tensor, sizes: Tensor) -> Tensor:
    """Return the log of the sum of each run of columns.

    Args:
        logs: May hold -inf. Shape: (B, C).
        sizes: Columns of each run, at least 1. Shape: (P,).

    Returns:
        Shape: (B, P).
    """
    owners = torch.repeat_interleave(sizes).expand(len(logs), -1)
    shape = (len(logs), len(sizes))
    peaks = logs.new_full(shape, -torch.inf).scatter_reduce(1, owners, logs, "amax")
    safe = peaks.masked_fill(peaks.isneginf(), 0)
    sums = logs.new_zeros(shape).scatter_add(1, owners, (logs - safe.gather(1, owners)).exp())
    return sums.log() + safe
