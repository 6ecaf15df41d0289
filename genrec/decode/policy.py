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

import torch
from torch import Tensor

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.fusion import LogitFusion
from genrec.decode.trie import NO_NODE


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
            below = self.fusion.weight * self.fusion.at(children.nodes, allowed)
            lm_weight = self.fusion.lm_weight
            logprobs = lm_weight * logprobs + below if lm_weight else below
        if self.bias is not None:
            logprobs = logprobs + self.bias.strength_at(children.nodes)
        # Nodes without an allowed child have a NaN softmax here too.
        return (
            logprobs.masked_fill(~allowed, -torch.inf)
            .log_softmax(dim=-1)
            .masked_fill(~allowed, -torch.inf)
        )
