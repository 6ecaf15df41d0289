"""Counts of what followed what, as sparse votes: the part that needs no torch.

An item that came ``n`` events after another one adds 1/n to their count. A history's items vote for
what followed them, the newest loudest. Where a history has none yet, votes what others began with.

Source: Markov chains over items as in FPMC, Rendle et al. 2010, without the factorization.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from genrec.data.co_occurrence import close_pairs

REACH = 5
"""Most events from an item to one that still counts as following it."""
FADING = 0.5
"""Vote of an event relative to the one after it."""
FLOOR = 0.1
"""Votes that every item has, so that none is ruled out."""


def count_transitions(histories: Sequence[Sequence[int]], num_items: int) -> sparse.csr_array:
    """Count what came after what.

    An item's votes are its counts over the root of their sum: between counts, where what is
    frequent drowns the rest, and shares, where one event says as much as a hundred.

    Args:
        histories: Rows of each user's events, oldest first.
        num_items: Rows there are.

    Returns:
        The vote of each row for each one that followed it. Shape: (N, N).
    """
    rows = np.array([row for history in histories for row in history], dtype=np.int64)
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    counts = sparse.csr_array((num_items, num_items))
    for distance, earlier, later in close_pairs(users, REACH):
        kept = rows[earlier] != rows[later]
        pairs = (np.full(kept.sum(), 1 / distance), (rows[earlier[kept]], rows[later[kept]]))
        counts = counts + sparse.csr_array(pairs, shape=counts.shape)
    return to_votes(counts)


def count_openings(histories: Sequence[Sequence[int]], num_items: int) -> np.ndarray:
    """Return the votes of each row for being a user's first, counted like what followed an item.

    Args:
        histories: Rows of each user's events, oldest first.
        num_items: Rows there are.

    Returns:
        Shape: (N,), float64.
    """
    first = [history[0] for history in histories if len(history)]
    counts = np.bincount(np.array(first, dtype=np.int64), minlength=num_items)
    votes: np.ndarray = counts / max(len(first), 1) ** 0.5
    return votes


def to_votes(counts: sparse.csr_array) -> sparse.csr_array:
    """Return the votes of counts. Shape: (N, N)."""
    totals = np.maximum(counts.sum(axis=1), np.finfo(float).tiny)
    return (sparse.diags_array(totals**-0.5) @ counts).tocsr()


def to_counts(votes: sparse.csr_array) -> sparse.csr_array:
    """Return the counts that votes were made of: a row of votes sums to the root of its counts.

    Shape: (N, N).
    """
    return (sparse.diags_array(votes.sum(axis=1)) @ votes).tocsr()
