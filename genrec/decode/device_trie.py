"""The trie as tensors: look-up, expansion and masking for whole batches, on any device.

Enters: a ``Trie``, nodes and next-token scores. Leaves: children, masks and nodes. Every function
takes a batch of nodes and runs no Python per node; its cost depends on how many children the nodes
have, never on the size of the catalogue. Must not know which model or engine the scores are from.

A *state* is the node a row stands at; -1 stands nowhere, and leaves its row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrec.decode.trie import NO_NODE, ROOT, Trie
from genrec.errors import DecodeError

BLOCK_LEAVES = 2**14
"""Leaves that are scored at once: few enough for a processor's cache, many enough to be quick."""


@dataclass(frozen=True, eq=False)
class DeviceTrie:
    """The arrays of a ``Trie`` on a device, and what is asked of them while decoding.

    Attributes:
        tokens: As in ``Trie``. Shape: (num_nodes,), int32.
        first_child: As in ``Trie``. Shape: (num_inner + 2,), int32.
        leaf_at: As in ``Trie``. Shape: (num_leaves,), int32.
        place_of: Inverse of ``leaf_at``: where each leaf lies in the order of paths.
            Shape: (num_leaves,), int32.
        seen_in_training: Whether training has seen a leaf below each node.
            Shape: (num_nodes,), bool.
        level_start: As in ``Trie``.
        num_levels: Tokens of a path.
        num_leaves: Paths.
        most_children: Children of the widest node.
        vocabulary: Tokens of all paths, in ascending order. Shape: (R,), int64.
        column_of: Place of each token in ``vocabulary``; 0 for those that no path has.
            Shape: (largest token + 1,), int64.
    """

    tokens: Tensor
    first_child: Tensor
    leaf_at: Tensor
    place_of: Tensor
    seen_in_training: Tensor
    vocabulary: Tensor
    column_of: Tensor
    level_start: tuple[int, ...]
    num_levels: int
    num_leaves: int
    most_children: int

    @classmethod
    def from_trie(
        cls,
        trie: Trie,
        device: torch.device | str = "cpu",
        seen_in_training: np.ndarray | None = None,
    ) -> DeviceTrie:
        """Copy a trie to a device.

        Args:
            trie: The prefix index.
            device: Where to.
            seen_in_training: Whether training has seen each leaf; None: all.
                Shape: (num_leaves,), bool.
        """
        if seen_in_training is None:
            seen_in_training = np.ones(trie.num_leaves, dtype=bool)
        place_of = np.empty_like(trie.leaf_at)
        place_of[trie.leaf_at] = np.arange(trie.num_leaves, dtype=place_of.dtype)
        vocabulary = np.flatnonzero(np.bincount(trie.tokens[1:]))
        column_of = np.zeros(vocabulary[-1] + 1, dtype=np.int64)
        column_of[vocabulary] = np.arange(len(vocabulary))
        return cls(
            tokens=torch.tensor(trie.tokens, device=device),
            first_child=torch.tensor(trie.first_child, device=device),
            leaf_at=torch.tensor(trie.leaf_at, device=device),
            place_of=torch.tensor(place_of, device=device),
            seen_in_training=torch.tensor(_seen_nodes(trie, seen_in_training), device=device),
            vocabulary=torch.tensor(vocabulary, device=device),
            column_of=torch.tensor(column_of, device=device),
            level_start=trie.level_start,
            num_levels=trie.num_levels,
            num_leaves=trie.num_leaves,
            most_children=int(np.diff(trie.first_child).max()),
        )

    @cached_property
    def leaf_blocks(self) -> list[tuple[int, int, Tensor]]:
        """Runs of leaves that share their parents with no other run.

        Each is its first place in the order of paths, one past its last, and how many leaves each
        of its parents has. Shape: (parents,), int32.
        """
        begins = self.first_child[self.level_start[-3] : self.level_start[-2] + 1]
        begins = begins - self.level_start[-2]
        ends = torch.arange(0, self.num_leaves, BLOCK_LEAVES, device=begins.device)[1:]
        cuts = torch.searchsorted(begins, ends.to(begins.dtype), right=True)
        cuts = torch.unique(torch.cat([cuts, cuts.new_tensor([len(begins) - 1])])).tolist()
        blocks, first = [], 0
        for last in cuts:
            edges = begins[first : last + 1]
            blocks.append((int(edges[0]), int(edges[-1]), edges.diff()))
            first = last
        return blocks

    def to(self, device: torch.device | str) -> DeviceTrie:
        """Return the trie on another device."""
        arrays = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        moved: dict[str, Any] = {name: array.to(device) for name, array in arrays.items()}
        return replace(self, **moved)

    def slices(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the children of each state begin and end; empty for leaves and -1.

        Args:
            states: Nodes. Shape: any.

        Returns:
            First child, and one past the last. Shapes: that of ``states``.
        """
        childless = self.level_start[-2]
        inner = torch.where(states < 0, childless, states).clamp(max=childless)
        return self.first_child[inner], self.first_child[inner + 1]

    def expand(
        self, states: Tensor, leaves_before: Callable[[Tensor], Tensor] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """List the children of each state, by token, and say which may be taken.

        Args:
            states: Nodes. Shape: (B, ...).
            leaves_before: Counts the allowed leaves before places in the order of paths; a child
                without an allowed leaf below it may not be taken. None: all are allowed.

        Returns:
            Nodes, their tokens and whether each may be taken; where there is no such child the
            first two mean nothing and the third is False. C is the number of children of the
            widest state. Shapes: (B, ..., C).
        """
        begin, end = self.slices(states)
        widest = int((end - begin).max()) if states.numel() else 0
        steps = torch.arange(widest + 1, dtype=begin.dtype, device=begin.device)
        # The children, then one past the last, repeated as padding.
        edges = torch.minimum(begin.unsqueeze(-1) + steps, end.unsqueeze(-1))
        nodes = edges[..., :-1].long()
        tokens = self.tokens[nodes.clamp(max=len(self.tokens) - 1)].long()
        if leaves_before is not None:
            # Walk from each edge down to the first leaf at or after it.
            starts = torch.tensor(self.level_start, device=edges.device)
            levels = torch.bucketize(states.contiguous(), starts, right=True).unsqueeze(-1)
            for level in range(1, self.num_levels):
                # The edge after a level's last node is the next level's first node. It comes out
                # right only because edges of one level all step down equally often.
                inside = edges.clamp(max=len(self.first_child) - 1)
                edges = torch.where(levels <= level, self.first_child[inside], edges)
            edges = leaves_before(edges - self.level_start[-2])
        return nodes, tokens, edges.diff() > 0

    def parents(self, states: Tensor) -> Tensor:
        """Return the parent of each node; -1 of the root. Shape: that of ``states``."""
        inner = self.first_child[:-2]
        return torch.searchsorted(inner, states.to(inner.dtype), right=True) - 1

    def lineage(self, leaves: Tensor) -> Tensor:
        """Return the nodes from the root to each leaf. Shapes: (...), (..., L + 1)."""
        nodes = [self.place_of[leaves].long() + self.level_start[-2]]
        for _ in range(self.num_levels):
            nodes.append(self.parents(nodes[-1]))
        return torch.stack(nodes[::-1], dim=-1)

    def step(self, states: Tensor, tokens: Tensor) -> Tensor:
        """Return the child of each state that a token leads to; -1 where there is none.

        Args:
            states: Nodes. Shape: any.
            tokens: Shape: that of ``states``.
        """
        low, end = self.slices(states)
        high, last = end, len(self.tokens) - 1
        for _ in range(self.most_children.bit_length()):
            middle = (low + high) // 2
            before = (low < high) & (self.tokens[middle.clamp(max=last)] < tokens)
            low, high = torch.where(before, middle + 1, low), torch.where(before, high, middle)
        found = (low < end) & (self.tokens[low.clamp(max=last)] == tokens)
        return torch.where(found, low.long(), NO_NODE)

    def find(self, path: Sequence[int]) -> int:
        """Return the node that tokens lead to from the root; -1 where there is none."""
        state = torch.tensor([ROOT], device=self.tokens.device)
        for token in path:
            state = self.step(state, torch.full_like(state, token))
        return int(state)

    def leaves(self, states: Tensor) -> Tensor:
        """Return the leaf at each node of the last level; -1 for any other state."""
        places = states - self.level_start[-2]
        return torch.where(places < 0, NO_NODE, self.leaf_at[places.clamp(min=0)].long())


def _seen_nodes(trie: Trie, seen_in_training: np.ndarray) -> np.ndarray:
    """Tell for every node whether training has seen a leaf below it. Shape: (num_nodes,), bool."""
    seen = seen_in_training[trie.leaf_at]
    levels = []
    for level in range(trie.num_levels + 1):
        begins = np.concatenate([[0], trie.leaf_counts(level).cumsum()[:-1]])
        levels.append(np.logical_or.reduceat(seen, begins))
    return np.concatenate(levels)


def trailing_states(input_ids: Tensor, trie: DeviceTrie, opening_token_id: int) -> Tensor:
    """Return the node that the end of each sequence stands at.

    A path starts after the opening token. A sequence that ends with it stands at the root, one
    that ends in it and the first tokens of a valid path stands at their node, any other nowhere.

    Args:
        input_ids: Sequences that end in the last column; no more than the last L + 1 columns
            are read. Shape: (B, T).
        trie: On the same device.
        opening_token_id: The token after which a path is written.

    Returns:
        Nodes, -1 for nowhere. Shape: (B,).
    """
    states = torch.full_like(input_ids[:, 0], NO_NODE)
    for tokens in input_ids[:, -(trie.num_levels + 1) :].unbind(1):
        states = torch.where(tokens == opening_token_id, ROOT, trie.step(states, tokens))
    return states


def find_inner(trie: DeviceTrie, path: Sequence[int]) -> int:
    """Return the node at a path that does not end there.

    Raises:
        DecodeError: Nothing begins so, or nothing goes on.
    """
    node = trie.find(path) if len(path) < trie.num_levels else NO_NODE
    if node == NO_NODE:
        raise DecodeError(
            f"no item's semantic ID begins with these {len(path)} codes and goes on; give a prefix "
            "of an item's ID"
        )
    return node


def written_leaves(input_ids: Tensor, trie: DeviceTrie, opening_token_id: int) -> Tensor:
    """Return the leaves that sequences already hold, in their order.

    Args:
        input_ids: Sequences. Shape: (B, T).
        trie: On the same device.
        opening_token_id: The token after which a path is written. Paths that are cut off or lead
            nowhere are passed over.

    Returns:
        Leaves, padded at the end with -1. Shape: (B, most of a row, at least 1), int64.
    """
    opened = input_ids[:, : max(input_ids.shape[1] - trie.num_levels, 0)] == opening_token_id
    rows, columns = opened.nonzero(as_tuple=True)
    states = torch.full_like(rows, ROOT)
    for level in range(1, trie.num_levels + 1):
        states = trie.step(states, input_ids[rows, columns + level])
    leaves = trie.leaves(states)
    rows, leaves = rows[leaves != NO_NODE], leaves[leaves != NO_NODE]
    counts = torch.bincount(rows, minlength=len(input_ids))
    places = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    widest = max(int(counts.max()) if len(counts) else 0, 1)
    laid = torch.full((len(input_ids), widest), NO_NODE, device=rows.device)
    laid[rows, places] = leaves
    return laid
