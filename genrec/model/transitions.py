"""Transition counts as a model: every event votes for what followed its item in training."""

from __future__ import annotations

import torch
from scipy import sparse
from torch import Tensor, nn

from genrec.model.histories import NO_ROW
from genrec.model.transition_counts import FADING, FLOOR


class Transitions(nn.Module):
    """Item-to-item transition counts, read like a Markov chain: a sparse matrix of log odds."""

    starts: Tensor
    followers: Tensor
    votes: Tensor

    def __init__(self, num_items: int, num_pairs: int) -> None:
        """Make room; ``of`` fills it, or a state dict."""
        super().__init__()
        self.num_items = num_items
        self.register_buffer("starts", torch.zeros(num_items + 1, dtype=torch.int64))
        self.register_buffer("followers", torch.zeros(num_pairs, dtype=torch.int32))
        self.register_buffer("votes", torch.zeros(num_pairs))

    @classmethod
    def of(cls, votes: sparse.csr_array) -> Transitions:
        """Take what ``count_transitions`` counted. Shape: (N, N)."""
        result = cls(votes.shape[0], votes.nnz)
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
