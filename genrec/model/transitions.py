"""What followed what: counts of items that came after items, read like a Markov chain.

A transformer of few dimensions blurs which item followed which; counts keep it. An item that came
``n`` events after another one adds 1/n to their count. A history's items vote for what followed
them, the newest loudest.

Enters: rows. Leaves: log odds of every row. Knows neither tokens nor models.

Source: Markov chains over items as in FPMC, Rendle et al. 2010, without the factorization, which
the dense view beside it does better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

REACH = 5
"""Most events from an item to one that still counts as following it."""
FADING = 0.5
"""Vote of an event relative to the one after it."""
FLOOR = 0.1
"""Votes that every item has, so that none is ruled out."""
NO_ROW = -1


class Transitions(nn.Module):
    """Counts of a catalogue, as a sparse matrix of which rows are read."""

    starts: Tensor
    followers: Tensor
    votes: Tensor

    def __init__(self, num_items: int, num_pairs: int) -> None:
        """Make room; ``count`` fills it."""
        super().__init__()
        self.num_items = num_items
        self.register_buffer("starts", torch.zeros(num_items + 1, dtype=torch.int64))
        self.register_buffer("followers", torch.zeros(num_pairs, dtype=torch.int32))
        self.register_buffer("votes", torch.zeros(num_pairs))

    @classmethod
    def count(cls, histories: Sequence[Sequence[int]], num_items: int) -> Transitions:
        """Count what came after what.

        An item's votes are its counts over the root of their sum: between counts, where what is
        frequent drowns the rest, and shares, where one event says as much as a hundred.

        Args:
            histories: Rows of each user's events, oldest first.
            num_items: Rows there are.
        """
        rows = np.array([row for history in histories for row in history], dtype=np.int64)
        users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
        counts = sparse.csr_array((num_items, num_items))
        for distance in range(1, REACH + 1):
            earlier, later = rows[:-distance], rows[distance:]
            kept = (users[:-distance] == users[distance:]) & (earlier != later)
            pairs = (np.full(kept.sum(), 1 / distance), (earlier[kept], later[kept]))
            counts = counts + sparse.csr_array(pairs, shape=counts.shape)
        totals = np.maximum(counts.sum(axis=1), np.finfo(float).tiny)
        votes = (sparse.diags_array(totals**-0.5) @ counts).tocsr()
        result = cls(num_items, votes.nnz)
        result.starts.copy_(torch.as_tensor(votes.indptr))
        result.followers.copy_(torch.as_tensor(votes.indices))
        result.votes.copy_(torch.as_tensor(votes.data))
        return result

    def forward(self, histories: Tensor) -> Tensor:
        """Score every row as the next one of each history.

        Args:
            histories: Rows, oldest first, padded at the end with ``NO_ROW``, which may also stand
                for items that were never counted. Shape: (B, T).

        Returns:
            Log odds, above 0 where anything voted; the last column is that of an item that was
            never counted. Shape: (B, N + 1).
        """
        num_rows, width = histories.shape
        present = histories != NO_ROW
        newest = (present * torch.arange(width, device=histories.device)).amax(dim=1, keepdim=True)
        age = newest - torch.arange(width, device=histories.device)
        loudness = torch.where(present, FADING ** age.clamp(min=0).float(), 0.0)
        rows = histories.clamp(min=0)
        counts = torch.where(present, self.starts[rows + 1] - self.starts[rows], 0).flatten()
        owners = torch.repeat_interleave(counts)
        offsets = torch.arange(len(owners), device=owners.device)
        places = self.starts[rows].flatten()[owners] + offsets - (counts.cumsum(0) - counts)[owners]
        cells = owners // width * (self.num_items + 1) + self.followers[places]
        sums = self.votes.new_zeros(num_rows * (self.num_items + 1))
        sums.index_add_(0, cells, self.votes[places] * loudness.flatten()[owners])
        return (sums.view(num_rows, -1) / FLOOR).log1p()
