"""Which leaves each row of a batch may still produce.

Enters: per row, leaves to leave out and leaves to stay within. Leaves: for any stretch of leaves,
how many of a row's are allowed, and so whether a node still leads anywhere. Must not know why.

A set of leaves is the sorted list of their places in the order of paths. The leaves below a node
are consecutive, so how many of a set lie below it is the difference of two binary searches. That
one count serves both kinds of filter at every level; no sub-trie is ever built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from genrec.decode.device_trie import DeviceTrie


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
        exclude: Sequence[ArrayLike] | None = None,
        candidates: Sequence[ArrayLike | None] | None = None,
    ) -> Constraint:
        """Sort the filters of each row.

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


def _keys(trie: DeviceTrie, sets: Sequence[ArrayLike]) -> Tensor:
    """Sort the members of each set into one list of ``set * num_leaves + place``."""
    device = trie.leaf_at.device
    members = [torch.as_tensor(leaves, dtype=torch.int64, device=device) for leaves in sets]
    sizes = torch.tensor([len(leaves) for leaves in members], dtype=torch.int64, device=device)
    leaves = torch.cat([*members, torch.empty(0, dtype=torch.int64, device=device)])
    if len(leaves) and not (0 <= int(leaves.min()) and int(leaves.max()) < trie.num_leaves):
        raise ValueError(f"leaves must lie in 0..{trie.num_leaves - 1}")
    owners = torch.repeat_interleave(sizes)
    result: Tensor = torch.unique(owners * trie.num_leaves + trie.place_of[leaves])
    return result
