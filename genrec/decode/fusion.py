"""A second model's say at every step of a search: the log of its summed odds below each node.

Sums are made block by block over the leaves, so that memory grows with the nodes above them and
not with the leaves; what a leaf itself has is computed where a search comes by, or kept where the
leaves are few. Both are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.leaf_scores import FactoredScores

KEPT_LEAVES = 2**15
"""Most leaves whose scores are kept from the sums: 128 KiB a row. To look them up takes a fraction
of the time of computing them again one by one."""


@dataclass(frozen=True, eq=False)
class LogitFusion:
    """The second model's scores of each row.

    Memory is 4 bytes for each row and node that is kept; time grows with rows times leaves.

    Attributes:
        kept: Log of the summed odds of the allowed leaves below each node above the leaves, up to
            a constant of the row, -inf where there is none; behind these the scores of the leaves,
            allowed or not, where they are few. Shape: (num_inner or num_nodes, B), float32.
        leaves: Of the leaves, where they are not kept.
        weight: Of the second model, above 0 and at most 1.
        lm_weight: Of the LM: what the second model leaves.
    """

    kept: Tensor
    leaves: FactoredScores | None
    weight: float
    lm_weight: float

    @classmethod
    def build(
        cls,
        trie: DeviceTrie,
        leaves: FactoredScores,
        weight: float,
        constraint: Constraint | None = None,
    ) -> LogitFusion:
        """Sum the odds of the leaves up the trie.

        Args:
            trie: The prefix index.
            leaves: Scores of its leaves.
            weight: See the class.
            constraint: What it forbids counts for nothing.

        Raises:
            ValueError: A weight outside (0, 1], or scores of another number of leaves.
        """
        if not 0 < weight <= 1:
            raise ValueError(f"the weight is {weight}; it lies above 0 and is at most 1")
        if leaves.shape[0] != trie.num_leaves:
            raise ValueError(f"{leaves.shape[0]} scores, {trie.num_leaves} leaves")
        hide = None if constraint is None else constraint.hider()
        keeps_leaves = trie.num_leaves <= KEPT_LEAVES
        sums, of_leaves = [], list[Tensor]()
        for first, last, sizes in trie.leaf_blocks:
            scores = leaves.block(first, last)
            if keeps_leaves:
                of_leaves.append(scores.clone())
            if hide is not None:
                hide(scores, first)
            sums.append(_logsumexp(scores, sizes))
        levels = [torch.cat(sums)]
        for depth in range(trie.num_levels - 2, -1, -1):
            first, last = trie.level_start[depth], trie.level_start[depth + 1]
            sizes = trie.first_child[first : last + 1].diff()
            levels.append(_logsumexp(levels[-1].clone(), sizes))
        kept = torch.cat([*levels[::-1], *of_leaves])
        return cls(kept, None if keeps_leaves else leaves, weight, 1 - weight)

    @classmethod
    def tilt(
        cls, trie: DeviceTrie, leaves: FactoredScores, constraint: Constraint | None = None
    ) -> LogitFusion:
        """Let leaves' scores raise the LM's odds, where no second model has a say.

        Below a node the mean of the odds counts, not their sum: leaves without a score leave the
        LM's odds as they are.

        Args:
            trie: The prefix index.
            leaves: Scores of its leaves; most have none.
            constraint: What it forbids counts for nothing.
        """
        scored = cls.build(trie, leaves, 1.0, constraint)
        equal = cls.build(trie, leaves.none(), 1.0, constraint).kept
        # Where nothing is allowed both are -inf.
        raised = (scored.kept - equal).masked_fill(scored.kept.isneginf(), -torch.inf)
        return cls(raised, scored.leaves, 1.0, 1.0)

    def at(self, nodes: Tensor, wanted: Tensor) -> Tensor:
        """Return the log of the summed odds below nodes.

        Args:
            nodes: The first axis is the rows. Shape: (B, ...), int64.
            wanted: Elsewhere what is returned means nothing. Shape: (B, ...), bool.

        Returns:
            -inf where no leaf below an inner node is allowed; of leaves it is not said whether
            they are. Shape: (B, ...), float32.
        """
        rows = torch.arange(len(nodes), device=nodes.device).view(-1, *(1,) * (nodes.ndim - 1))
        num_kept = len(self.kept)
        found = self.kept[nodes.clamp(max=num_kept - 1), rows]
        if self.leaves is None:
            return found
        below = wanted & (nodes >= num_kept)
        rows = rows.expand(nodes.shape)[below]
        found[below] = self.leaves.at(rows, nodes[below] - num_kept)
        return found


def _logsumexp(scores: Tensor, sizes: Tensor) -> Tensor:
    """Return the log of the sum of each run of scores; there may be runs of nothing but -inf.

    Args:
        scores: Shape: (n, B), float32; written on.
        sizes: Of the runs, one after the other. Shape: (runs,).
    """
    sizes = sizes.long()
    peaks = torch.segment_reduce(scores, "max", lengths=sizes, axis=0, unsafe=True)
    peaks = peaks.masked_fill(peaks.isneginf(), 0)
    odds = scores.sub_(peaks[torch.repeat_interleave(sizes)]).exp_()
    return torch.segment_reduce(odds, "sum", lengths=sizes, axis=0, unsafe=True).log_() + peaks
