"""The best list that keeps its limits: an integer program over what a search found.

Enters: scores of items, groups of them, how many a list may or must hold of each. Leaves: which to
take. Must not know items, users or models.

A search finds only the best items of a catalogue. *Crowds* stand in for the rest: items that are
not worth more than some score. Where the best list takes nobody of a crowd, no list with an item
outside is better, and it is the best list of the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array


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
class Choice:
    """What a list is chosen from.

    Attributes:
        scores: Of the items. Shape: (M,).
        crowds: What else there is.
        limits: To be kept.
        forced: Items that are in the list whatever they cost.
        likes: Groups of items of which each further one costs ``like_cost`` more than the last:
            the first nothing, the second once, the third twice.
        like_cost: 0 or more.
    """

    scores: np.ndarray
    crowds: Sequence[Crowd] = ()
    limits: Sequence[Limit] = ()
    forced: Sequence[int] = ()
    likes: Sequence[Sequence[int]] = field(default=())
    like_cost: float = 0.0


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

    Where each item is in one limited group at most, no list has a higher sum (the lists are the
    bases of a partition matroid), hence none of those that also hold enough of something.

    Returns:
        As ``select``; None where this does not tell the best list.
    """
    limited = [limit for limit in choice.limits if np.isfinite(limit.most)]
    places = [place for limit in limited for place in limit.choices]
    if choice.like_cost or len(places) != len(set(places)):
        return None
    room_in = [limit.most for limit in limited]
    group_of = {place: group for group, limit in enumerate(limited) for place in limit.choices}
    scores = np.concatenate([choice.scores, [crowd.score for crowd in choice.crowds]])
    sizes = [*np.ones(len(choice.scores), dtype=int), *(crowd.size for crowd in choice.crowds)]
    taken = np.zeros(len(scores), dtype=np.int64)
    best_first = np.argsort(-scores, kind="stable").tolist()
    for place in dict.fromkeys([*choice.forced, *best_first]):
        group = group_of.get(place)
        room = min(sizes[place], k - taken.sum(), np.inf if group is None else room_in[group])
        taken[place] = room
        if group is not None:
            room_in[group] -= room
    enough = all(taken[list(limit.choices)].sum() >= limit.least for limit in choice.limits)
    has_forced = bool(taken[list(choice.forced)].all())
    return taken if enough and has_forced and taken.sum() == k else None


def _solve(choice: Choice, k: int) -> np.ndarray | None:
    """Do what ``select`` does, as an integer program."""
    num_items, num_choices = len(choice.scores), len(choice.scores) + len(choice.crowds)
    costs = [-np.concatenate([choice.scores, [crowd.score for crowd in choice.crowds]])]
    lower, upper = np.zeros(num_choices), np.ones(num_choices)
    upper[num_items:] = [min(crowd.size, k) for crowd in choice.crowds]
    lower[list(choice.forced)] = 1
    limits = [*choice.limits, Limit(range(num_choices), k, k)]
    entries = [np.ones(len(limit.choices)) for limit in limits]
    columns = [np.asarray(limit.choices, dtype=np.int64) for limit in limits]
    bounds = [(limit.least, limit.most) for limit in limits]
    num_columns = num_choices
    for group in choice.likes if choice.like_cost else ():
        # A step for each further item. Steps get dearer, so none is taken before the last one.
        steps = min(len(group), k)
        costs.append(choice.like_cost * np.arange(steps))
        columns.append(np.array([*group, *range(num_columns, num_columns + steps)]))
        entries.append(np.concatenate([np.ones(len(group)), -np.ones(steps)]))
        bounds.append((-np.inf, 0))
        num_columns += steps
    num_steps = num_columns - num_choices
    rows = np.repeat(np.arange(len(columns)), [len(each) for each in columns])
    matrix = csr_array(
        (np.concatenate(entries), (rows, np.concatenate(columns))), (len(columns), num_columns)
    )
    found = milp(
        np.concatenate(costs),
        integrality=np.concatenate([np.ones(num_choices), np.zeros(num_steps)]),
        bounds=Bounds(
            np.concatenate([lower, np.zeros(num_steps)]),
            np.concatenate([upper, np.ones(num_steps)]),
        ),
        constraints=LinearConstraint(matrix, *np.array(bounds).T),
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return None
    taken: np.ndarray = np.rint(found.x[:num_choices]).astype(np.int64)
    return taken
