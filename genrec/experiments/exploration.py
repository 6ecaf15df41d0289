"""Lists that try something else now and then, so that their log can judge another ranking.

Enters: a ranking of candidates and the rate of exploration. Leaves: a list with the probability of
each item at its rank, given the items above it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from genrec.arguments import check_count
from genrec.errors import DataError

Id = TypeVar("Id", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Explored(Generic[Id]):
    """A list to show.

    Attributes:
        items: By rank.
        propensities: Probability of each item at its rank, given the items above it.
    """

    items: tuple[Id, ...]
    propensities: tuple[float, ...]


def explore(ranking: Sequence[Id], k: int, rate: float, rng: np.random.Generator) -> Explored[Id]:
    """Draw a list: at each rank the best candidate left, or at this rate any candidate left.

    Args:
        ranking: Candidates, best first, each once; those below ``k`` are what can be explored.
        k: Items to show.
        rate: Share of ranks that explore, 0 to 1 (epsilon of an epsilon-greedy policy).
        rng: Where chance comes from.

    Raises:
        DataError: Fewer than ``k`` candidates, one twice, or a rate outside 0 to 1.
    """
    left = _candidates(ranking, rate)
    if len(left) < check_count(k, "k"):
        raise DataError(f"k={k}, but there are {len(left)} candidates; give more, or a smaller k")
    items = []
    for explores in rng.random(k) < rate:
        items.append(left.pop(int(rng.integers(len(left))) if explores else 0))
    return Explored(tuple(items), propensities(items, ranking, rate))


def propensities(shown: Sequence[Id], ranking: Sequence[Id], rate: float) -> tuple[float, ...]:
    """Return how likely ``explore`` with this ranking shows each item, given the items above it.

    With the ranking of another model this is the target's side of an off-policy estimate.

    Args:
        shown: Items by rank.
        ranking: Candidates, best first; an item that is none of them is never shown.
        rate: Share of ranks that explore, 0 to 1.

    Raises:
        DataError: A candidate stands twice, or the rate is outside 0 to 1.

    Examples:
        >>> propensities(["b", "a"], ranking=["a", "b", "c", "d"], rate=0.2)
        (0.05, 0.8666666666666667)
    """
    left = _candidates(ranking, rate)
    found = []
    for item in shown:
        if item not in left:
            found.append(0.0)
            continue
        found.append(rate / len(left) + (1 - rate) * (item == left[0]))
        left.remove(item)
    return tuple(found)


def _candidates(ranking: Sequence[Id], rate: float) -> list[Id]:
    if not 0 <= rate <= 1:
        raise DataError(f"rate={rate}: give a share from 0 to 1")
    if len(set(ranking)) < len(ranking):
        raise DataError("ranking holds an item twice; give each candidate once")
    return list(ranking)
