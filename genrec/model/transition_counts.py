"""Counts of what followed what, as sparse votes: the part that needs no torch.

An item that came ``n`` events after another one adds 1/n to their count. A history's items vote for
what followed them, the newest loudest. Where a history has none yet, votes what others began with.
What follows what may change: counts can fade, by how much was counted of an item since, so that
what is rare is not forgotten sooner than it is learned anew.

Source: Markov chains over items as in FPMC, Rendle et al. 2010, without the factorization.
"""

from __future__ import annotations

import itertools
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


def count_transitions(
    histories: Sequence[Sequence[int]],
    num_items: int,
    weights: Sequence[Sequence[float]] | None = None,
) -> sparse.csr_array:
    """Count what came after what.

    An item's votes are its counts over the root of their sum: between counts, where what is
    frequent drowns the rest, and shares, where one event says as much as a hundred.

    Args:
        histories: Rows of each user's events, oldest first.
        num_items: Rows there are.
        weights: What follows each event counts so much, see ``fading_weights``; None: 1.

    Returns:
        The vote of each row for each one that followed it. Shape: (N, N).
    """
    rows = np.array([row for history in histories for row in history], dtype=np.int64)
    users = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    if weights is None:
        loudness = np.ones(len(rows))
    else:
        loudness = np.array([weight for history in weights for weight in history])
    counts = sparse.csr_array((num_items, num_items))
    for distance, earlier, later in close_pairs(users, REACH):
        kept = rows[earlier] != rows[later]
        first, second = earlier[kept], later[kept]
        pairs = (loudness[first] / distance, (rows[first], rows[second]))
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


def fading_weights(
    histories: Sequence[Sequence[int]], times: Sequence[Sequence[int]], half_life: float
) -> list[list[float]]:
    """Return what each event counts where counts fade: half after so many events of its item.

    Args:
        histories: Rows of each user's events.
        times: When they happened, seconds.
        half_life: Later events of an item, of anybody, that halve what an event of it counts.

    Returns:
        Weights of the events, 1 for the newest of each item.
    """
    rows = np.array([row for history in histories for row in history], dtype=np.int64)
    moments = np.array([moment for history in times for moment in history], dtype=np.int64)
    order = np.lexsort((moments, rows))
    ordered = rows[order]
    later = np.empty(len(rows))
    later[order] = np.searchsorted(ordered, ordered, side="right") - 1 - np.arange(len(rows))
    weights = 0.5 ** (later / half_life)
    ends = np.cumsum([0, *map(len, histories)])
    return [weights[start:end].tolist() for start, end in itertools.pairwise(ends)]


def to_votes(counts: sparse.csr_array) -> sparse.csr_array:
    """Return the votes of counts. Shape: (N, N)."""
    totals = np.maximum(counts.sum(axis=1), np.finfo(float).tiny)
    return (sparse.diags_array(totals**-0.5) @ counts).tocsr()


def to_counts(votes: sparse.csr_array) -> sparse.csr_array:
    """Return the counts that votes were made of: a row of votes sums to the root of its counts.

    Shape: (N, N).
    """
    return (sparse.diags_array(votes.sum(axis=1)) @ votes).tocsr()
