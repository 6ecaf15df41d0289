"""Filters of a search: which leaves each row may be given.

Enters: sets of leaves by row. Leaves: counts of allowed leaves below any node, and what to hide of
scores. A *place* is that of a leaf in the order of paths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genrec.decode.device_trie import DeviceTrie

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

    def hider(self) -> Callable[[Tensor, int], None]:
        """Return what sets the scores of forbidden leaves to -inf.

        It takes scores of the leaves at consecutive places, all rows of each, and the first of
        these places. Shape of scores: (n, B).
        """
        excluded = _ByPlace.of(self.excluded, self.num_leaves)
        candidates = _ByPlace.of(self.candidates, self.num_leaves)
        num_sets = 0 if self.set_of is None else int(self.set_of.max()) + 1
        limited = None if self.set_of is None else (self.set_of >= 0).nonzero()[:, 0]

        def hide(scores: Tensor, first: int) -> None:
            if limited is not None and self.set_of is not None:
                places, sets = candidates.between(first, first + len(scores))
                allowed = torch.zeros(len(scores), num_sets, dtype=torch.bool, device=places.device)
                allowed[places - first, sets] = True
                hidden = ~allowed[:, self.set_of[limited]]
                scores[:, limited] = scores[:, limited].masked_fill(hidden, -torch.inf)
            places, rows = excluded.between(first, first + len(scores))
            scores[places - first, rows] = -torch.inf

        return hide


class _ByPlace(NamedTuple):
    """Keys ``owner * num_leaves + place``, sorted by place. Shapes: (n,), int64."""

    places: Tensor
    owners: Tensor

    @classmethod
    def of(cls, keys: Tensor, num_leaves: int) -> _ByPlace:
        places, order = (keys % num_leaves).sort()
        return cls(places, keys[order] // num_leaves)

    def between(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """Return the places from ``first`` up to ``last``, and their owners."""
        ends = torch.tensor([first, last], device=self.places.device)
        low, high = torch.searchsorted(self.places, ends).tolist()
        return self.places[low:high], self.owners[low:high]


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
