"""The best list that keeps its limits: an integer program over what a search found.

Enters: scores of items, groups of them, how many a list may or must hold of each, and what more of
one kind costs. Leaves: which to take. Must not know items, users or models.

A search finds only the best items of a catalogue. *Crowds* stand in for the rest: items that are
not worth more than some score. Where the best list takes nobody of a crowd, no list with an item
outside is better, and it is the best list of the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

TOLERANCE = 1e-6
"""How far from a whole number one may be."""


@dataclass(frozen=True)
class Crowd:
    """Items like each other.

    Attributes:
        size: How many there are.
        score: None of them is worth more.
    """

    size: int
    score: float


@dataclass(frozen=True)
class Limit:
    """How many of some choices a list takes.

    Attributes:
        choices: Places among items and, after them, crowds.
        least: Fewest.
        most: Most.
    """

    choices: Sequence[int]
    least: float = 0
    most: float = np.inf


@dataclass(frozen=True)
class Cost:
    """What it costs to take several of some choices.

    Attributes:
        choices: Places among items and, after them, crowds.
        steps: What each further one costs, the first first: as many as the list is long, and none
            less than the one before. Below 0 it is a gain. Shape: (k,), float64.
    """

    choices: Sequence[int]
    steps: np.ndarray


@dataclass(frozen=True)
class Choice:
    """What a list is chosen from.

    Attributes:
        scores: Of the items. Shape: (M,).
        crowds: What else there is.
        limits: To be kept.
        forced: Items that are in the list whatever they cost.
        costs: Of items that are alike.
    """

    scores: np.ndarray
    crowds: Sequence[Crowd] = ()
    limits: Sequence[Limit] = ()
    forced: Sequence[int] = ()
    costs: Sequence[Cost] = ()

    @property
    def values(self) -> np.ndarray:
        """Scores of the items, then of the crowds. Shape: (M + number of crowds,)."""
        return np.array([*self.scores, *(crowd.score for crowd in self.crowds)], dtype=float)

    @property
    def sizes(self) -> np.ndarray:
        """How often each can be taken. Shape: (M + number of crowds,), int64."""
        return np.array([1] * len(self.scores) + [crowd.size for crowd in self.crowds])


def select(choice: Choice, k: int) -> np.ndarray | None:
    """Return how often each item and each crowd is in the list of ``k`` with the highest sum.

    Returns:
        0 or 1 of each item, then a number of each crowd; None where no list keeps the limits.
        Shape: (M + number of crowds,), int64.
    """
    taken = _take_best_first(choice, k)
    return _solve(choice, k) if taken is None else taken


def _take_best_first(choice: Choice, k: int) -> np.ndarray | None:
    """Take the best that the limits still allow, again and again.

    Where of any two groups one lies in the other or they share nothing, no list has a higher sum
    (it is a laminar concave function, hence M♮-concave: Murota, Discrete Convex Analysis, 2003).
    Limits of groups that cut across others are left out first: a list that keeps them all the same
    is the best of fewer lists too. So is one that holds enough of something.

    Returns:
        As ``select``; None where this does not tell the best list.
    """
    caps = [limit for limit in choice.limits if np.isfinite(limit.most)]
    groups = _nested(choice.costs, caps, len(choice.values))
    if groups is None:
        return None
    gains, sizes = choice.values, choice.sizes
    members = [list(group.choices) for group in groups]
    groups_of: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        for place in members[number]:
            groups_of.setdefault(place, []).append(number)
        if isinstance(group, Cost):
            gains[members[number]] -= group.steps[0]
        elif group.most < 1:
            gains[members[number]] = -np.inf
    taken, counts = np.zeros(len(gains), dtype=np.int64), [0] * len(groups)
    for turn in range(k):
        place = choice.forced[turn] if turn < len(choice.forced) else int(np.argmax(gains))
        if gains[place] == -np.inf:
            return None
        taken[place] += 1
        if taken[place] == sizes[place]:
            gains[place] = -np.inf
        for number in groups_of.get(place, ()):
            counts[number] += 1
            count, group = counts[number], groups[number]
            if isinstance(group, Limit):
                if count >= group.most:
                    gains[members[number]] = -np.inf
            elif count < k:
                gains[members[number]] -= group.steps[count] - group.steps[count - 1]
    held = all(
        limit.least <= taken[list(limit.choices)].sum() <= limit.most for limit in choice.limits
    )
    return taken if held and taken[list(choice.forced)].all() else None


def _nested(
    costs: Sequence[Cost], caps: Sequence[Limit], num_choices: int
) -> list[Cost | Limit] | None:
    """Return all costs, and the limits that do not cut across them or other limits.

    None where costs cut across each other.
    """
    groups: list[Cost | Limit] = [*costs, *caps]
    large_first = sorted(groups, key=lambda group: -len(group.choices))
    costs_first = sorted(large_first, key=lambda group: isinstance(group, Limit))
    for ordered in (large_first, costs_first):
        inside = np.full(num_choices, -1)
        fitting: list[Cost | Limit] = []
        for group in ordered:
            around = inside[list(group.choices)]
            if (around == around[:1]).all():
                inside[list(group.choices)] = len(fitting)
                fitting.append(group)
        if sum(isinstance(group, Cost) for group in fitting) == len(costs):
            return fitting
    return None


def _solve(choice: Choice, k: int) -> np.ndarray | None:
    """Do what ``select`` does, as an integer program."""
    num_choices = len(choice.values)
    costs = [-choice.values]
    lower, upper = np.zeros(num_choices), np.minimum(choice.sizes, k)
    lower[list(choice.forced)] = 1
    limits = [*choice.limits, Limit(range(num_choices), k, k)]
    entries = [np.ones(len(limit.choices)) for limit in limits]
    columns = [np.asarray(limit.choices, dtype=np.int64) for limit in limits]
    bounds = [(limit.least, limit.most) for limit in limits]
    num_columns = num_choices
    for group in choice.costs:
        # A variable for each further one. None costs less than the one before, so the program
        # takes them in their order.
        steps = min(k, int(choice.sizes[list(group.choices)].sum()))
        costs.append(group.steps[:steps])
        columns.append(np.array([*group.choices, *range(num_columns, num_columns + steps)]))
        entries.append(np.concatenate([np.ones(len(group.choices)), -np.ones(steps)]))
        bounds.append((0, 0))
        num_columns += steps
    num_steps = num_columns - num_choices
    rows = np.repeat(np.arange(len(columns)), [len(each) for each in columns])
    matrix = csr_array(
        (np.concatenate(entries), (rows, np.concatenate(columns))), (len(columns), num_columns)
    )
    bounded = Bounds(
        np.concatenate([lower, np.zeros(num_steps)]), np.concatenate([upper, np.ones(num_steps)])
    )
    # Mostly the best fractions are whole numbers, and they take half of the time.
    for whole in (0, 1):
        found = milp(
            np.concatenate(costs),
            integrality=np.concatenate([np.full(num_choices, whole), np.zeros(num_steps)]),
            bounds=bounded,
            constraints=LinearConstraint(matrix, *np.array(bounds).T),
            options={"mip_rel_gap": 0.0},
        )
        if found.x is None:
            return None
        taken: np.ndarray = np.rint(found.x[:num_choices]).astype(np.int64)
        if np.abs(found.x[:num_choices] - taken).max() < TOLERANCE:
            return taken
    return taken
