"""Histories as rows of an ID table, padded at the end."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NO_ROW = -1
"""Padding, and an item without a row."""


def newest(histories: Tensor, count: int) -> Tensor:
    """Keep the last ``count`` rows of each history. Shape: (B, T) to (B, at most count)."""
    width = histories.shape[1]
    if width <= count:
        return histories
    lengths = (histories != NO_ROW).sum(dim=1, keepdim=True)
    start = (lengths - count).clamp(min=0)
    columns = start + torch.arange(count, device=histories.device)
    return histories.gather(1, columns)


def pad_histories(histories: Sequence[Sequence[int]]) -> Tensor:
    """Lay histories out, padded at the end. Shape: (B, longest, at least 1)."""
    width = max((len(history) for history in histories), default=0)
    laid = torch.full((len(histories), max(width, 1)), NO_ROW, dtype=torch.int64)
    for row, history in zip(laid, histories, strict=True):
        row[: len(history)] = torch.as_tensor(history, dtype=torch.int64)
    return laid
