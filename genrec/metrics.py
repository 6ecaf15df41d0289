"""Accuracy and health of ranked lists, on integers alone.

Enters: ranked item indices and held-out target indices. Leaves: one number per user, so that
intervals and paired comparisons can be computed, or one rate. Knows no ranker and no data set.

With T the set of a user's distinct targets and hits counted once each:

- recall@k: hits in the first k places, divided by |T|. It never falls as k grows. With one target
  it is the hit rate.
- ndcg@k: the sum of 1 / log2(rank + 1) over the hits in the first k places, divided by the same sum
  for an ideal list, which has min(k, |T|) hits in front.
- mrr@k: 1 / rank of the first hit in the first k places, else 0.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

CUTOFFS = (1, 5, 10, 20)
WATCHED_CUTOFF = 10
"""Of the NDCG that stops trainings early and chooses among their results."""
NO_ITEM = -1
"""Stands for an answer that is no item of the catalogue, and for a place left empty."""


def cutoffs_within(k: int) -> list[int]:
    """Return the cutoffs to judge lists of ``k`` items at."""
    return [cutoff for cutoff in CUTOFFS if cutoff <= k] or [k]


def mark_duplicates(ranked: np.ndarray) -> np.ndarray:
    """Mark the places whose item already stands further up in the same list.

    Args:
        ranked: Item indices, best first; ``NO_ITEM`` is never a duplicate. Shape: (U, K).

    Returns:
        Shape: (U, K), bool.
    """
    duplicates = np.zeros(ranked.shape, dtype=bool)
    for place in range(1, ranked.shape[1]):
        same = ranked[:, :place] == ranked[:, place : place + 1]
        duplicates[:, place] = same.any(axis=1) & (ranked[:, place] != NO_ITEM)
    return duplicates


def find_ranks(ranked: np.ndarray, targets: Sequence[Collection[int]]) -> np.ndarray:
    """Return the place at which each target first stands.

    Args:
        ranked: Item indices, best first; ``NO_ITEM`` never hits. Shape: (U, K).
        targets: Each user's distinct target items.

    Returns:
        For all targets of the first user, then of the second, and so on: 1 for the first place, 0
        for a target that is not in the list. Shape: (T,), int32.

    Examples:
        >>> find_ranks(np.array([[7, 3, 9], [4, 5, 4]]), [[9, 1], [4]]).tolist()
        [3, 0, 1]
    """
    users = np.repeat(np.arange(len(targets)), [len(held_out) for held_out in targets])
    items = np.fromiter((item for held_out in targets for item in held_out), dtype=np.int64)
    found = ranked[users] == items[:, None]
    ranks = (~np.maximum.accumulate(found, axis=1)).sum(axis=1) + 1
    return np.where(ranks <= ranked.shape[1], ranks, 0).astype(np.int32)


def mark_hits(ranks: np.ndarray, num_targets: np.ndarray, k: int) -> np.ndarray:
    """Mark the places that hold a target.

    Args:
        ranks: From ``find_ranks``. Shape: (T,).
        num_targets: Targets of each user, T in all. Shape: (U,).
        k: Places to mark; ranks beyond are passed over.

    Returns:
        Shape: (U, k), bool.
    """
    users = np.repeat(np.arange(len(num_targets)), num_targets)
    within = (ranks > 0) & (ranks <= k)
    hits = np.zeros((len(num_targets), k), dtype=bool)
    hits[users[within], ranks[within] - 1] = True
    return hits


def accuracy(
    hits: np.ndarray, num_targets: np.ndarray, cutoffs: Sequence[int] = CUTOFFS
) -> dict[str, np.ndarray]:
    """Return recall, NDCG and MRR of every user at every cutoff.

    Args:
        hits: From ``mark_hits``. Shape: (U, K); places beyond K count as misses.
        num_targets: Distinct targets of each user, at least 1. Shape: (U,).
        cutoffs: Lengths of list to judge.

    Returns:
        Arrays by name, such as "ndcg@10". Shape: (U,) each, within [0, 1].

    Examples:
        >>> values = accuracy(np.array([[False, True, False]]), np.array([1]), [2])
        >>> {name: round(float(array[0]), 4) for name, array in values.items()}
        {'recall@2': 1.0, 'ndcg@2': 0.6309, 'mrr@2': 0.5}
    """
    ideal = np.cumsum(_discounts(max(*cutoffs, 1)))
    found: dict[str, np.ndarray] = {}
    for k in cutoffs:
        top = hits[:, :k]
        found[f"recall@{k}"] = top.sum(axis=1) / num_targets
        found[f"ndcg@{k}"] = dcg(hits, k) / ideal[np.minimum(num_targets, k) - 1]
        reciprocal = top / np.arange(1, top.shape[1] + 1)
        found[f"mrr@{k}"] = reciprocal.max(axis=1, initial=0.0)
    return found


def dcg(gains: np.ndarray, k: int) -> np.ndarray:
    """Return the discounted cumulative gain of lists at a cutoff.

    Args:
        gains: What the item at each rank is worth, best rank first. Shape: (..., K).
        k: Cutoff.

    Returns:
        Sum of worth / log2(rank + 1). Shape: (...).

    Examples:
        >>> float(dcg(np.array([2, 0, 1, 5]), 3))
        2.5
    """
    first = gains[..., :k]
    total: np.ndarray = first @ _discounts(first.shape[-1])
    return total


def _discounts(k: int) -> np.ndarray:
    return np.asarray(1 / np.log2(np.arange(k) + 2))


def coverage(ranked: np.ndarray, num_items: int, k: int) -> float:
    """Return the share of the catalogue that stands in anybody's first ``k`` places."""
    shown = np.unique(ranked[:, :k])
    return float((shown != NO_ITEM).sum() / num_items)


def rate(events: int, chances: int) -> float:
    """Return a share; 0 where nothing could happen."""
    return events / chances if chances else 0.0


def ndcg_of_ranks(ranks: np.ndarray, cutoff: int) -> np.ndarray:
    """Return NDCG@cutoff of questions that have one target each.

    Args:
        ranks: Rank of each target, from 1; 0 where it was not returned. Shape: (N,).
        cutoff: k.

    Returns:
        1 / log2(rank + 1), and 0 beyond the cutoff. Shape: (N,).

    Examples:
        >>> ndcg_of_ranks(np.array([1, 3, 0, 11]), 10).tolist()
        [1.0, 0.5, 0.0, 0.0]
    """
    one = np.ones(len(ranks), dtype=np.int64)
    return accuracy(mark_hits(ranks, one, cutoff), one, [cutoff])[f"ndcg@{cutoff}"]


def watched_ndcg(ranks: np.ndarray) -> float:
    """Return the mean NDCG@``WATCHED_CUTOFF`` of questions that have one target each.

    Args:
        ranks: As for ``ndcg_of_ranks``; at least one.
    """
    return float(watched_ndcgs(ranks).mean())


def watched_ndcgs(ranks: np.ndarray) -> np.ndarray:
    """Return the NDCG@``WATCHED_CUTOFF`` of each question; see ``ndcg_of_ranks``."""
    return ndcg_of_ranks(ranks, WATCHED_CUTOFF)
