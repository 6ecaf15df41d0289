"""The set of valid token paths as static arrays: what may follow what, in one slice.

Enters: one row of token IDs per leaf, all of one length. Leaves: a few flat arrays that NumPy,
Torch and the vLLM plugin read alike. Must not know what a leaf stands for, nor import torch.

Nodes are numbered level by level and, within a level, in the order of their paths. Hence the
children of a node are consecutive numbers, sorted by token, one array of offsets is the whole
structure, and the leaves below a node are consecutive too:

    paths        node:  0     1  2     3  4  5
    5 1          token: -     5  6     1  2  1
    5 2          first_child: 1  3  5  6  6         children of 1 are 3 and 4
    6 1          level_start: 0  1  3  6

Memory: 4 bytes a node, 4 more an inner node and 4 a leaf. An ID of L tokens owns at most L nodes,
so an item costs at most 8 L bytes (64 at L = 8) and far less where prefixes are shared.

Source: Vectorizing the Trie (STATIC), arXiv 2602.22647, section 4.
Differs: numbering nodes in breadth-first order makes the target of an edge its own index, which
halves the table and needs no dense layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROOT = 0
NO_NODE = -1
MAX_NODES = 2**31 - 2
"""Arrays hold 32-bit node numbers."""

IntArray = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Trie:
    """A prefix index that is never changed; adding and removing return another.

    Attributes:
        tokens: Token that leads to each node; -1 at the root. Shape: (num_nodes,), int32.
        first_child: Children of inner node n are ``first_child[n]`` up to ``first_child[n + 1]``.
            Two trailing entries close the last slice and give every leaf an empty one.
            Shape: (num_inner + 2,), int32.
        leaf_at: Leaf (row of the paths it was built from) at each place in the order of paths.
            Shape: (num_leaves,), int32.
        level_start: First node of each level, then the number of nodes; level 0 is the root.
    """

    tokens: IntArray
    first_child: IntArray
    leaf_at: IntArray
    level_start: tuple[int, ...]

    @classmethod
    def build(cls, paths: ArrayLike) -> Trie:
        """Index the rows of ``paths``; row i becomes leaf i.

        Args:
            paths: Token IDs, coarse to fine. Shape: (N, L), N and L at least 1.

        Raises:
            ValueError: No rows, not a table of whole numbers from 0 on, two equal rows, or too
                many nodes for 32 bits.

        Examples:
            >>> trie = Trie.build([[6, 1], [5, 2], [5, 1]])
            >>> trie.tokens.tolist(), trie.first_child.tolist(), trie.leaf_at.tolist()
            ([-1, 5, 6, 1, 2, 1], [1, 3, 5, 6, 6], [2, 1, 0])
        """
        rows = _checked(paths)
        return cls._index(rows, np.arange(len(rows), dtype=np.int32))

    @classmethod
    def _index(cls, rows: IntArray, leaves: IntArray) -> Trie:
        """Index ``rows`` of which row i is called leaf ``leaves[i]``."""
        order = _path_order(rows)
        num_leaves, num_levels = rows.shape
        begins = np.zeros(num_leaves, dtype=bool)  # whether a node begins at this place
        begins[0] = True
        tokens, first_child, level_start = [np.array([-1])], [], [0, 1]
        parents = np.zeros(1, dtype=np.int64)  # places where the nodes of the level above begin
        for level in range(num_levels):
            column = rows[order, level]
            begins[1:] |= column[1:] != column[:-1]
            children = np.flatnonzero(begins)
            tokens.append(column[children])
            first_child.append(level_start[-1] + np.searchsorted(children, parents))
            level_start.append(level_start[-1] + len(children))
            parents = children
        if len(parents) < num_leaves:
            place = int(np.flatnonzero(~begins)[0])
            first, second = sorted(int(leaf) for leaf in leaves[order[place - 1 : place + 1]])
            raise ValueError(f"rows {first} and {second} are the same path; paths must be unique")
        if level_start[-1] > MAX_NODES:
            raise ValueError(f"{level_start[-1]:,} nodes; 32 bits number {MAX_NODES:,} at most")
        first_child.append(np.full(2, level_start[-1]))
        return cls(
            tokens=np.concatenate(tokens).astype(np.int32),
            first_child=np.concatenate(first_child).astype(np.int32),
            leaf_at=leaves[order].astype(np.int32),
            level_start=tuple(level_start),
        )

    @property
    def num_nodes(self) -> int:
        """Nodes of all levels, the root among them."""
        return self.level_start[-1]

    @property
    def num_levels(self) -> int:
        """Tokens of a path."""
        return len(self.level_start) - 2

    @property
    def num_leaves(self) -> int:
        """Paths."""
        return len(self.leaf_at)

    @property
    def num_bytes(self) -> int:
        """Memory of the arrays."""
        return self.tokens.nbytes + self.first_child.nbytes + self.leaf_at.nbytes

    def children(self, node: int) -> range:
        """Return the children of a node, sorted by token; none of a leaf."""
        inner = min(node, len(self.first_child) - 2)
        return range(int(self.first_child[inner]), int(self.first_child[inner + 1]))

    def walk(self, path: ArrayLike) -> int:
        """Return the node that ``path`` leads to from the root; -1 where there is none."""
        node = ROOT
        for token in np.asarray(path, dtype=np.int64):
            children = self.children(node)
            child = children.start + int(
                np.searchsorted(self.tokens[children.start : children.stop], token)
            )
            if child not in children or self.tokens[child] != token:
                return NO_NODE
            node = child
        return node

    def leaf(self, node: int) -> int:
        """Return the leaf at a node of the last level; -1 for any other node."""
        place = node - self.level_start[-2]
        return int(self.leaf_at[place]) if 0 <= place < self.num_leaves else NO_NODE

    def leaf_counts(self, level: int) -> IntArray:
        """Count the leaves below each node of a level. Shape: (nodes of the level,)."""
        edges: IntArray = np.arange(self.level_start[level], self.level_start[level + 1] + 1)
        for _ in range(level, self.num_levels):
            edges = self.first_child[edges]
        return np.diff(edges)

    def paths(self) -> IntArray:
        """Return the rows the trie was built from. Shape: (N, L), int32."""
        rows = np.empty((self.num_leaves, self.num_levels), dtype=np.int32)
        rows[self.leaf_at] = self._sorted_paths()
        return rows

    def add(self, paths: ArrayLike) -> Trie:
        """Return a trie with more paths; they become leaves N, N + 1 and so on.

        Only the new rows are sorted anew, yet every array is written again: about 0.15 s for each
        million leaves there are, however few are added.

        Raises:
            ValueError: As ``build``; also when a path is there already or has another length.
        """
        new = _checked(paths)
        if new.shape[1] != self.num_levels:
            raise ValueError(f"new paths have {new.shape[1]} tokens; this trie's {self.num_levels}")
        names = np.arange(self.num_leaves, self.num_leaves + len(new), dtype=np.int32)
        return self._index(
            np.concatenate([self._sorted_paths(), new]), np.concatenate([self.leaf_at, names])
        )

    def remove(self, leaves: ArrayLike) -> Trie:
        """Return a trie without some leaves; the others close up, as rows of a table do.

        To hide leaves for a while or from one row, use a ``Constraint``, which costs less.

        Raises:
            ValueError: No such leaf, or none would remain.
        """
        gone = np.unique(np.asarray(leaves, dtype=np.int64))
        if len(gone) and not (0 <= gone[0] and gone[-1] < self.num_leaves):
            raise ValueError(f"leaves must lie in 0..{self.num_leaves - 1}")
        kept = np.isin(self.leaf_at, gone, invert=True)
        names = self.leaf_at[kept]
        names = names - np.searchsorted(gone, names).astype(np.int32)
        return self._index(_checked(self._sorted_paths()[kept]), names)

    def _sorted_paths(self) -> IntArray:
        """Return the paths in their order, that is row i is the path of ``leaf_at[i]``."""
        starts = self.level_start
        columns = [
            np.repeat(self.tokens[starts[level] : starts[level + 1]], self.leaf_counts(level))
            for level in range(1, self.num_levels + 1)
        ]
        return np.stack(columns, axis=1)


def _checked(paths: ArrayLike) -> IntArray:
    rows = np.asarray(paths)
    if rows.ndim != 2 or rows.size == 0 or not np.issubdtype(rows.dtype, np.integer):
        raise ValueError(
            f"paths must be a table of whole numbers, at least 1 x 1, not {rows.dtype} {rows.shape}"
        )
    if rows.min() < 0 or rows.max() > np.iinfo(np.int32).max:
        raise ValueError(f"tokens must lie in 0..2^31-1, found {rows.min()}..{rows.max()}")
    return rows


def _path_order(rows: IntArray) -> IntArray:
    """Sort rows by their columns, first column first.

    Several columns share one 64-bit key: one stable sort instead of one for each column, and
    next to nothing when the rows are nearly in order.
    """
    keys: list[NDArray[np.int64]] = []
    room = 0
    for column in rows.T.astype(np.int64):
        lowest = int(column.min())
        span = int(column.max()) - lowest + 1
        if span > room:
            keys.append(np.zeros(len(rows), dtype=np.int64))
            room = 2**62
        keys[-1] = keys[-1] * span + (column - lowest)
        room //= span
    return np.lexsort(keys[::-1])
