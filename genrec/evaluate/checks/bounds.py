"""Which metrics one ranking can have at once, when every user has one target.

A row of metrics is possible if some distribution of the target's rank has them all: with the
share p(r) of users whose target stands at rank r,

    Recall@k = sum of p(r),   NDCG@k = sum of p(r) / log2(r + 1),   MRR@k = sum of p(r) / r

over r up to k. Whether such a p exists is a linear program, small and exact, so every bound that
follows is checked, and none that does not: between cutoffs a < b

    (Recall@b - Recall@a) / log2(b + 1) <= NDCG@b - NDCG@a <= (Recall@b - Recall@a) / log2(a + 2)

and with a = 0: Recall@k / log2(k + 1) <= NDCG@k <= Recall@k; and the like for MRR, and for both
together. Printed digits are taken as intervals. Means over seeds or users keep all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np

from genrec.evaluate.checks.report_table import Cell

SOLVER_SLACK = 1e-6
"""Added to every cell: solver and floating point are no finer."""
_RANKS_BETWEEN = 1000


def is_possible(cells: Sequence[Cell]) -> bool:
    """Tell whether one ranking can have all these metrics.

    Examples:
        >>> recall = Cell("recall", 10, 0.5, 0.00005, "0.5000")
        >>> is_possible([recall, Cell("ndcg", 10, 0.14, 0.00005, "0.1400")])
        False
        >>> is_possible([recall, Cell("ndcg", 10, 0.15, 0.00005, "0.1500")])
        True
    """
    ranks = _ranks(cells)
    return _solve(cells, ranks, np.zeros(len(ranks))) is not None


def allowed_range(cell: Cell, others: Sequence[Cell]) -> tuple[float, float]:
    """Return the lowest and highest value a cell can have beside the others, which are possible."""
    ranks = _ranks([cell, *others])
    weights = _weights(cell, ranks)
    lowest, highest = _solve(others, ranks, weights), _solve(others, ranks, -weights)
    assert lowest is not None and highest is not None
    return lowest, -highest


def find_culprits(cells: Sequence[Cell]) -> list[tuple[Cell, ...]]:
    """Return the smallest sets of NDCG and MRR cells without which the rest is possible.

    Recall is left standing: it is a plain count. One set where the fault can be placed; several
    where each of them alone would explain it; none where all is well.
    """
    if is_possible(cells):
        return []
    suspects = [cell for cell in cells if cell.metric != "recall"]
    for size in range(1, len(suspects) + 1):
        found = [
            dropped
            for dropped in combinations(suspects, size)
            if is_possible([cell for cell in cells if cell not in dropped])
        ]
        if found:
            return found
    return []


def _ranks(cells: Sequence[Cell]) -> np.ndarray:
    """Return the ranks that a target may have: all, but thinned out between far cutoffs.

    The ends of each stretch are kept, and they decide about NDCG. Shape: (R,), increasing.
    """
    ends = sorted({0, *(cell.k for cell in cells)})
    stretches = [
        np.arange(low + 1, high + 1)
        if high - low <= _RANKS_BETWEEN
        else np.unique(np.geomspace(low + 1, high, _RANKS_BETWEEN).round().astype(np.int64))
        for low, high in pairwise(ends)
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *stretches])


def _weights(cell: Cell, ranks: np.ndarray) -> np.ndarray:
    """Return what a hit at each rank adds to the cell's metric. Shape: (R,)."""
    gains = {"recall": np.ones(len(ranks)), "ndcg": 1 / np.log2(ranks + 1), "mrr": 1 / ranks}
    return np.where(ranks <= cell.k, gains[cell.metric], 0.0)


def _solve(cells: Sequence[Cell], ranks: np.ndarray, cost: np.ndarray) -> float | None:
    """Return the least cost of a distribution of ranks that has these metrics; None: none has."""
    from scipy.optimize import linprog

    if not len(ranks):
        return 0.0
    rows, limits = [np.ones(len(ranks))], [1.0]
    for cell in cells:
        slack = cell.slack + SOLVER_SLACK
        weights = _weights(cell, ranks)
        rows += [weights, -weights]
        limits += [cell.value + slack, slack - cell.value]
    found = linprog(cost, A_ub=np.stack(rows), b_ub=np.array(limits), method="highs")
    # 2 is "infeasible", proven; a solver in difficulties proves nothing against a report.
    return None if found.status == 2 else float("nan" if found.fun is None else found.fun)
