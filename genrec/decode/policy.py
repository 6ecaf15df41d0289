"""What a search may write, and how likely it thinks each choice: filters, fusion and bias as one.

Enters: nodes of a trie, a model's logits of their children. Leaves: log-probabilities of the
children. Must not know which model the logits come from, nor what a leaf stands for.

The rule on which all engines agree: at every level, the probabilities of a node's children sum to 1
over those that lead to an item the row's filters allow. So a node with one allowed child adds
log 1 = 0.

**Filters** (``Constraint``). A set of leaves is the sorted list of their places in the order of
paths. The leaves below a node are consecutive, so how many of a set lie below it is the difference
of two binary searches. That one count serves both kinds of filter at every level; no sub-trie is
ever built.

**Fusion** (``LogitFusion``). A second model that reads the same prompt scores every leaf. The odds
of a node's children under it are the sums of its odds over the leaves below them. Causal LM and
second model are fused as a geometric mean, child by child, and normalised among siblings like the
LM's own, so beams, filters and forced steps keep their meaning, and beams are led to leaves that
either model likes.

**New items.** A child not seen in training (every leaf below it is new) has no meaningful logit:
the model would all but rule it out, and a new item could not be recommended until the next
training. It gets an equal share instead: among n allowed children each such child has 1 / n, and
the others divide the rest as the model says. A new item thus starts with the average score of its
siblings; a second model, which may know more of it, is fused with what comes of this.

**Bias** (``PrefixBias``). Where a row's odds are biased, each child's probability is multiplied by
the exponential of the strength, and the children are normalised again. A lone child still adds 0.

Source: product of experts (Hinton 1999); pooling a generative and a dense model follows LIGER,
arXiv 2411.18814. Differs: LIGER ranks the union of two candidate lists; here both steer the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import NO_NODE

DENSE = 16
"""Sets with more than one leaf in so many are put in order by marking leaves, not by sorting."""


@dataclass(frozen=True, eq=False)
class Constraint:
    """The allowed leaves of each row.

    Memory is 8 bytes for each listed leaf. A node costs two binary searches in each list.

    Attributes:
        excluded: Sorted ``row * num_leaves + place`` of leaves left out, within what ``candidates``
            allows. Shape: (E,), int64.
        candidates: Sorted ``set * num_leaves + place`` of every set of leaves to stay within.
            Shape: (O,), int64.
        set_of: The set each row stays within, -1 for none; None where no row has one.
            Shape: (B,), int64.
        num_leaves: Of the trie.
    """

    excluded: Tensor
    candidates: Tensor
    set_of: Tensor | None
    num_leaves: int

    @classmethod
    def build(
        cls,
        trie: DeviceTrie,
        exclude: Sequence[Sequence[int] | np.ndarray] | None = None,
        candidates: Sequence[Sequence[int] | np.ndarray | None] | None = None,
    ) -> Constraint | None:
        """Sort the filters of each row; None where no row has any.

        Args:
            trie: Its device is where the constraint will lie.
            exclude: For each row leaves never to produce; may be empty.
            candidates: For each row the leaves to stay within, None for all of them. The same
                object given for several rows is stored and sorted once.

        Raises:
            ValueError: A leaf the trie does not have, or the two differ in their number of rows.
        """
        exclude = [()] * len(candidates or ()) if exclude is None else exclude
        candidates = [None] * len(exclude) if candidates is None else candidates
        if len(exclude) != len(candidates):
            raise ValueError(f"exclude has {len(exclude)} rows, candidates has {len(candidates)}")
        distinct = {id(leaves): leaves for leaves in candidates if leaves is not None}
        if not distinct and not any(map(len, exclude)):
            return None
        candidate_keys = _keys(trie, list(distinct.values()))
        excluded = _keys(trie, exclude)
        if not distinct:
            return cls(excluded, candidate_keys, None, trie.num_leaves)
        numbers = {identity: number for number, identity in enumerate(distinct)}
        set_of = torch.tensor([numbers.get(id(leaves), -1) for leaves in candidates])
        set_of = set_of.to(trie.leaf_at.device)
        # What ``candidates`` forbids already must not be counted as left out a second time.
        sets = set_of[excluded // trie.num_leaves]
        wanted = sets * trie.num_leaves + excluded % trie.num_leaves
        return cls(
            excluded[(sets < 0) | torch.isin(wanted, candidate_keys)],
            candidate_keys,
            set_of,
            trie.num_leaves,
        )

    def leaves_before(self, places: Tensor) -> Tensor:
        """Count each row's allowed leaves before some places, up to a constant of the row.

        The difference of two counts is therefore how many leaves between them are allowed.

        Args:
            places: Places in the order of paths, 0 to ``num_leaves``. Shape: (B, ...).

        Returns:
            Counts. Shape: (B, ...), int64.
        """
        by_row = (-1,) + (1,) * (places.ndim - 1)
        counts = places = places.long()
        if self.set_of is not None:
            sets = self.set_of.view(by_row)
            within = torch.searchsorted(self.candidates, sets * self.num_leaves + places)
            counts = torch.where(sets < 0, places, within)
        if len(self.excluded):
            rows = torch.arange(len(places), device=places.device).view(by_row)
            counts = counts - torch.searchsorted(self.excluded, rows * self.num_leaves + places)
        return counts


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
            # The log of the sum of each run of siblings; there may be runs of nothing but -inf.
            parents = torch.repeat_interleave(begins.diff()).expand(len(level), -1)
            peaks = level.new_full((len(level), len(begins) - 1), -torch.inf)
            peaks = peaks.scatter_reduce(1, parents, level, "amax")
            safe = peaks.masked_fill(peaks.isneginf(), 0)
            odds = (level - safe.gather(1, parents)).exp()
            level = torch.zeros_like(peaks).scatter_add(1, parents, odds).log() + safe
            levels.append(level)
        return cls(torch.cat(levels[::-1], dim=1), weight)


@dataclass(frozen=True, eq=False)
class PrefixBias:
    """What is added to the log-odds of some nodes among their siblings, row by row.

    With strength t the odds of a node against its siblings are multiplied by e^t; how the leaves
    below it share them is untouched, and so are filters. Memory is 16 bytes for each entry.

    Attributes:
        keys: Sorted ``row * num_nodes + node``. Shape: (E,), int64.
        strengths: Of each, in nats. Shape: (E,), float32.
        num_nodes: Of the trie.
    """

    keys: Tensor
    strengths: Tensor
    num_nodes: int

    @classmethod
    def build(cls, trie: DeviceTrie, rows: Sequence[Mapping[tuple[int, ...], float]]) -> PrefixBias:
        """Find the nodes of each row's prefixes.

        Args:
            trie: The bias is put on its device.
            rows: For each row the strength by prefix (first tokens of paths); prefixes that lead
                nowhere are ignored.

        Raises:
            ValueError: A strength that is not finite.
        """
        num_nodes, device = len(trie.tokens), trie.tokens.device
        by_key: dict[int, float] = {}
        for row, prefixes in enumerate(rows):
            for prefix, strength in prefixes.items():
                if (node := trie.find(prefix)) != NO_NODE:
                    by_key[row * num_nodes + node] = strength
        keys = sorted(by_key)
        strengths = torch.tensor([by_key[key] for key in keys], dtype=torch.float32, device=device)
        if not strengths.isfinite().all():
            raise ValueError("the strength of a bias must be a finite number of nats")
        return cls(torch.tensor(keys, dtype=torch.int64, device=device), strengths, num_nodes)

    def strength_at(self, nodes: Tensor) -> Tensor:
        """Return what is added to the log-odds of each node.

        Args:
            nodes: The first axis is the rows. Shape: (B, ...).

        Returns:
            0 for nodes without a bias. Shape: (B, ...), float32.
        """
        if not len(self.keys):
            return torch.zeros(nodes.shape, device=nodes.device)
        rows = torch.arange(len(nodes), device=nodes.device).view(-1, *(1,) * (nodes.ndim - 1))
        wanted = rows * self.num_nodes + nodes.clamp(max=self.num_nodes - 1)
        index = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        return torch.where(self.keys[index] == wanted, self.strengths[index], 0.0)


class Children(NamedTuple):
    """The children of some nodes, by token.

    Attributes:
        nodes: Shape: (B, ..., C), int64.
        tokens: Token that leads to each. Shape: (B, ..., C), int64.
        allowed: Whether each may be taken; where it is False the others mean nothing.
            Shape: (B, ..., C), bool.
        scored: Allowed, and seen in training: those among which the model chooses.
            Shape: (B, ..., C), bool.
        has_choice: Nodes at which the model has to be asked. Shape: (B, ...), bool.
    """

    nodes: Tensor
    tokens: Tensor
    allowed: Tensor
    scored: Tensor
    has_choice: Tensor


@dataclass(frozen=True, eq=False)
class Policy:
    """How a batch of rows is decoded.

    Attributes:
        trie: What exists.
        constraint: Filters of the rows; None: no row has any.
        fusion: Scores of a second model, built under the same constraint.
        bias: Boosted and dampened prefixes of the rows.
    """

    trie: DeviceTrie
    constraint: Constraint | None = None
    fusion: LogitFusion | None = None
    bias: PrefixBias | None = None

    def expand(self, nodes: Tensor) -> Children:
        """List the children of each node. Shape of nodes: (B, ...)."""
        leaves_before = None if self.constraint is None else self.constraint.leaves_before
        children, tokens, allowed = self.trie.expand(nodes, leaves_before)
        seen = self.trie.seen_in_training
        scored = allowed & seen[children.clamp(max=len(seen) - 1)]
        return Children(children, tokens, allowed, scored, scored.sum(dim=-1) > 1)

    def apply(self, logits: Tensor, children: Children) -> Tensor:
        """Return the log-probability of each child.

        Args:
            logits: The model's, read only where ``children.has_choice``. Shape: (B, ..., C).
            children: From ``expand``.

        Returns:
            -inf where a child may not be taken. Shape: (B, ..., C), float32.
        """
        return self.fuse(self.alone(logits, children), children)

    def alone(self, logits: Tensor, children: Children) -> Tensor:
        """Return what ``apply`` would without fusion and bias: what the model alone says."""
        allowed, scored = children.allowed, children.scored
        # A row of -inf has a NaN softmax; nothing of it is kept.
        among = logits.float().masked_fill(~scored, -torch.inf).log_softmax(dim=-1)
        count = allowed.sum(dim=-1, keepdim=True)
        share = (scored.sum(dim=-1, keepdim=True) / count).log()
        unseen = torch.where(allowed, -count.float().log(), -torch.inf)
        return torch.where(scored, among + share, unseen)

    def fuse(self, logprobs: Tensor, children: Children) -> Tensor:
        """Bring fusion and bias to what ``alone`` returned."""
        allowed = children.allowed
        if self.fusion is None and self.bias is None:
            return logprobs
        if self.fusion is not None:
            weight, sums = self.fusion.weight, self.fusion.subtree_logsumexp
            nodes = children.nodes.clamp(max=sums.shape[1] - 1)
            below = sums.gather(1, nodes.flatten(1)).view(nodes.shape)
            logprobs = below if weight == 1 else (1 - weight) * logprobs + weight * below
        if self.bias is not None:
            logprobs = logprobs + self.bias.strength_at(children.nodes)
        # Nodes without an allowed child have a NaN softmax here too.
        return (
            logprobs.masked_fill(~allowed, -torch.inf)
            .log_softmax(dim=-1)
            .masked_fill(~allowed, -torch.inf)
        )


def _keys(trie: DeviceTrie, sets: Sequence[Sequence[int] | np.ndarray]) -> Tensor:
    """Sort the members of each set into one list of ``set * num_leaves + place``."""
    device = trie.leaf_at.device
    members = [torch.as_tensor(leaves, dtype=torch.int64, device=device) for leaves in sets]
    sizes = torch.tensor([len(leaves) for leaves in members], dtype=torch.int64, device=device)
    leaves = torch.cat([*members, torch.empty(0, dtype=torch.int64, device=device)])
    if len(leaves) and not (0 <= int(leaves.min()) and int(leaves.max()) < trie.num_leaves):
        raise ValueError(f"leaves must lie in 0..{trie.num_leaves - 1}")
    owners = torch.repeat_interleave(sizes)
    keys = owners * trie.num_leaves + trie.place_of[leaves]
    total = len(sets) * trie.num_leaves
    if len(keys) * DENSE > total:
        holds = torch.zeros(total, dtype=torch.bool, device=device)
        holds[keys] = True
        return holds.nonzero()[:, 0]
    result: Tensor = torch.unique(keys)
    return result
