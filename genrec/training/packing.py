"""Samples to rows of equal length: several samples a row, each with its own positions.

Positions restart at 0 with every sample; Hugging Face attention reads that as a border that no
token looks across (block-diagonal masks, or variable-length kernels on a GPU).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pack(lengths: Sequence[int], row_tokens: int, seed: int) -> list[list[int]]:
    """Distribute samples over rows: first fit over a seeded shuffle.

    Args:
        lengths: Tokens of each sample; none longer than ``row_tokens``.
        row_tokens: Tokens a row holds.
        seed: Of the shuffle; another seed mixes other samples into a row.

    Returns:
        Sample numbers of each row; every sample once. Rows come in random order.
    """
    order = np.random.default_rng(seed).permutation(len(lengths))
    rows: list[list[int]] = []
    free: list[int] = []
    # Only the newest rows stay open: near-perfect filling at linear cost.
    window = 64
    for sample in order:
        length = lengths[sample]
        for row in range(max(0, len(rows) - window), len(rows)):
            if free[row] >= length:
                break
        else:
            rows.append([])
            free.append(row_tokens)
            row = len(rows) - 1
        rows[row].append(int(sample))
        free[row] -= length
    return rows


def collate(
    samples: Sequence[Sequence[tuple[np.ndarray, np.ndarray]]], row_tokens: int, pad_id: int
) -> dict[str, np.ndarray]:
    """Lay the samples of each row one after another.

    Args:
        samples: For each row its samples as (input_ids, targets).
        row_tokens: Tokens a row holds.
        pad_id: Fills what is left; its positions restart too, so nothing sees it.

    Returns:
        ``input_ids``, ``position_ids`` and ``targets``. Shape of each: (B, T).
    """
    shape = (len(samples), row_tokens)
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    position_ids = np.zeros(shape, dtype=np.int64)
    targets = np.zeros(shape, dtype=np.int64)
    for row, parts in enumerate(samples):
        at = 0
        for tokens, kinds in parts:
            end = at + len(tokens)
            input_ids[row, at:end] = tokens
            position_ids[row, at:end] = np.arange(len(tokens))
            targets[row, at:end] = kinds
            at = end
        position_ids[row, at:] = np.arange(row_tokens - at)
    return {"input_ids": input_ids, "position_ids": position_ids, "targets": targets}
