"""Lists that keep the rules of a plan: searched as widely as it takes, then chosen exactly.

Enters: a plan, requests and a ranker. Leaves: exactly ``k`` items for each request, or
``TooFewItems`` with the rules that leave no list. The list is the one with the highest sum of
scores, boosts included, among all lists that keep the rules: what the search has not found stands
in the choice as crowds, and where these could matter, the search is widened. It stops at
``MAX_WIDTH`` items; in a larger catalogue the rest then stands there by all that rules ask of it,
so that a list is found wherever there is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from genrec.errors import TooFewItems
from genrec.rules.calibration import kind_steps
from genrec.rules.exploring import try_out
from genrec.rules.language import NamedRule
from genrec.rules.plan import Plan
from genrec.rules.selection import Choice, Cost, Crowd, Limit, select
from genrec.schema import RULE, Recommendation, Request
from genrec.semantic_ids.kinship import Kinship
from genrec.semantic_ids.row_set import RowSet

WIDTH = 50
WIDER = 4
MAX_WIDTH = 3200


class Model(NamedTuple):
    """What is asked of a recommender.

    Attributes:
        rank: ``schema.Ranker.rank_many``.
        score: Returns the score that ``rank`` gives to an item (its ID), one for each request.
        entry: Returns an item (its row) with a rank and a score.
    """

    rank: Callable[[Sequence[Request], int], list[list[Recommendation]]]
    score: Callable[[Sequence[Request], Sequence[str]], list[float]]
    entry: Callable[[int, int, float], Recommendation]


def rank_under(
    plan: Plan, requests: Sequence[Request], k: int, model: Model
) -> list[list[Recommendation]]:
    """Return ``k`` items for each request that keep the rules.

    Args:
        plan: The rules.
        requests: Not yet steered by the plan.
        k: 1 or more.
        model: What ranks.

    Raises:
        TooFewItems: No ``k`` items keep the rules of some request; the message names them.
    """
    steered = [plan.steer(request) for request in requests]
    for request in steered:
        plan.check_enough(request, k)
    if plan.judges_lists:
        lists = _best_lists(plan, steered, k, model)
    else:
        among = k if plan.exploration is None else max(k, plan.exploration.among)
        lists = model.rank(steered, among)
    if plan.exploration is None:
        return lists
    rng = np.random.default_rng()
    return [try_out(ranking, k, plan.exploration.rate, rng) for ranking in lists]


def _best_lists(
    plan: Plan, steered: Sequence[Request], k: int, model: Model
) -> list[list[Recommendation]]:
    done: dict[int, list[Recommendation]] = {}
    width = max(WIDTH, k)
    while len(done) < len(steered):
        left = [number for number in range(len(steered)) if number not in done]
        pools = model.rank([steered[number] for number in left], width)
        for number, pool in zip(left, pools, strict=True):
            search = _Search(plan, steered[number], pool, k, model)
            found = search.choose(is_last=width >= MAX_WIDTH)
            if found is not None:
                done[number] = found
        width = min(width * WIDER, max(MAX_WIDTH, k))
    return [done[number] for number in range(len(steered))]


@dataclass(frozen=True)
class _Group:
    """Rows that no rule tells apart; the first is as good an example as any."""

    rows: np.ndarray
    crowd: Crowd


class _Search:
    """One request, and what a search found for it."""

    def __init__(
        self, plan: Plan, request: Request, pool: Sequence[Recommendation], k: int, model: Model
    ) -> None:
        self.plan, self.request, self.k = plan, request, k
        self.model = model
        self.table = plan.attributes.of
        self.pool = list(pool)
        self.floor = pool[-1].score if pool else 0.0
        self.allowed = (
            np.ones(len(self.table), dtype=bool)
            if request.candidates is None
            else plan.attributes.row_mask(request.candidates)
        )
        self.allowed[self.table.rows_of(request.forbidden)] = False
        # Where the user's own filters forbid a pinned item, it is not shown.
        self.pins = {
            place: self.table.item_ids[row]
            for place, row in plan.pins.items()
            if place < k and self.allowed[row]
        }
        found = {one.item_id for one in pool}
        # To score it exactly would take the model a second pass, and changes no list.
        self.pool += [
            model.entry(self.table.index_of(item_id), 0, self.floor)
            for item_id in self.pins.values()
            if item_id not in found
        ]
        self.rows = [self.table.index_of(one.item_id) for one in self.pool]
        self.bonus = plan.bonus_for(pool)

    def choose(self, is_last: bool) -> list[Recommendation] | None:
        """Return the best list; None where it may hold what was not found yet.

        Raises:
            TooFewItems: There is none.
        """
        unseen = self.allowed.copy()
        unseen[self.rows] = False
        groups = self._groups(np.flatnonzero(unseen), by_caps=is_last)
        taken = self._select(groups, by_caps=is_last)
        if taken is None:
            raise TooFewItems(self._why(groups, by_caps=is_last))
        chosen = [self.pool[number] for number in np.flatnonzero(taken[: len(self.pool)])]
        wanted = taken[len(self.pool) :]
        if wanted.any():
            if not is_last:
                return None
            for number in np.flatnonzero(wanted):
                chosen += self._best_of(groups[number].rows, int(wanted[number]))
        return self._ordered(chosen)

    def _groups(self, rows: np.ndarray, by_caps: bool) -> list[_Group]:
        """Group rows by what quotas and boosts make of them, and by what caps do."""
        members: dict[Any, list[int]] = defaultdict(list)
        if by_caps:
            for row in rows.tolist():
                codes = tuple(self.plan.codes_of(cap, row) for _, cap in self.plan.caps)
                members[(self.plan.signatures[row], codes)].append(row)
            grouped = [np.array(each) for each in members.values()]
        else:
            signatures = self.plan.signatures[rows]
            grouped = [rows[signatures == each] for each in np.unique(signatures)]
        return [
            _Group(each, Crowd(len(each), self.floor + float(self.bonus[each[0]])))
            for each in grouped
        ]

    def _select(
        self, groups: Sequence[_Group], by_caps: bool, without: NamedRule | None = None
    ) -> np.ndarray | None:
        """Choose items of the pool and numbers of groups, ``without`` one of the rules.

        Shape: (items of the pool + groups,).
        """
        plan, num_items = self.plan, len(self.pool)
        rows = [*self.rows, *(int(group.rows[0]) for group in groups)]
        limits = [
            # No list holds more than all; a larger number may be too large for arrays.
            Limit(np.flatnonzero(mask[rows]).tolist(), least=min(rule.count, self.k + 1))
            for named, rule, mask in plan.quotas
            if named is not without
        ]
        for named, rule in plan.caps:
            if named is not without:
                shared = _shared([plan.codes_of(rule, row) for row in rows], num_items, by_caps)
                left = dict(rule.left)
                limits += [
                    # A larger one binds nothing, and may be too large for arrays.
                    Limit(choices, most=min(left.get(value, rule.count), self.k))
                    for value, choices in shared.items()
                ]
        pinned = set(self.pins.values())
        choice = Choice(
            np.array([one.score for one in self.pool]) + self.bonus[self.rows],
            [group.crowd for group in groups],
            limits,
            [number for number, one in enumerate(self.pool) if one.item_id in pinned],
            self._costs(rows),
        )
        return select(choice, self.k)

    def _costs(self, rows: Sequence[int]) -> list[Cost]:
        """Return what diversity and calibrations cost; rows beyond the pool's are of crowds."""
        plan = self.plan
        costs = [] if plan.kinship is None else self._like_costs(plan.kinship)
        for rule, kinds in plan.calibrations:
            places = _places(kinds[rows].tolist())
            for kind, share in plan.shares(kinds, self.request.history).items():
                if kind in places:
                    costs.append(Cost(places[kind], kind_steps(share, rule.nats, self.k)))
        return costs

    def _like_costs(self, kinship: Kinship) -> list[Cost]:
        """Return what items of the pool cost for being alike; groups of the same items are one."""
        holds = kinship.holds[:, self.table.codes[self.rows, 0]]
        matter = holds.sum(axis=1) > 1
        nats: dict[tuple[int, ...], float] = defaultdict(float)
        for held, gain in zip(holds[matter], kinship.gains[matter].tolist(), strict=True):
            nats[tuple(np.flatnonzero(held).tolist())] += self.plan.like_cost * gain
        return [Cost(places, strength * np.arange(self.k)) for places, strength in nats.items()]

    def _why(self, groups: Sequence[_Group], by_caps: bool) -> str:
        rules = [each[0] for each in self.plan.caps] + [each[0] for each in self.plan.quotas]
        culprits = [
            each for each in rules if self._select(groups, by_caps, without=each) is not None
        ]
        named = " or ".join(f"'{each.name}'" for each in culprits or rules)
        alone = "without" if culprits else "together they leave none:"
        return (
            f"no list of {self.k} keeps the rules; {alone} {named}"
            f"{' there would be one' if culprits else ''} ({int(self.allowed.sum())} items are "
            "allowed); ask for fewer, or change the rules or filters"
        )

    def _best_of(self, rows: np.ndarray, count: int) -> list[Recommendation]:
        """Find the best of some rows, however far down the whole catalogue's order they are."""
        mask = np.zeros(len(self.table), dtype=bool)
        mask[rows] = True
        inside = replace(self.request, candidates=RowSet(self.table, mask))
        items = self.model.rank([inside], count)[0]
        # Among all that the request allows, not among these alone.
        scores = self.model.score([self.request] * len(items), [one.item_id for one in items])
        return [replace(one, score=score) for one, score in zip(items, scores, strict=True)]

    def _ordered(self, chosen: Sequence[Recommendation]) -> list[Recommendation]:
        """Put a list in order: pinned items in their places, the others best first."""
        index_of, bonus = self.table.index_of, self.bonus
        raised = {one.item_id: _raise(one, float(bonus[index_of(one.item_id)])) for one in chosen}
        pinned = {
            place: replace(raised.pop(item_id), placed_by=RULE)
            for place, item_id in self.pins.items()
        }
        others = iter(sorted(raised.values(), key=lambda one: -one.score))
        listed = [pinned.get(place) or next(others) for place in range(self.k)]
        return [replace(one, rank=place) for place, one in enumerate(listed, start=1)]


def _raise(one: Recommendation, nats: float) -> Recommendation:
    if not nats:
        return one
    return replace(one, score=one.score + nats, parts={**one.parts, RULE: nats})


def _shared(codes: Sequence[Sequence[str]], num_items: int, by_caps: bool) -> dict[str, list[int]]:
    """Return for each value the choices that have it, crowds among them only ``by_caps``."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, values in enumerate(codes if by_caps else codes[:num_items]):
        for value in values:
            places[value].append(place)
    return places


def _places(kinds: Sequence[int]) -> dict[int, list[int]]:
    """Return for each kind the places at which it stands."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, kind in enumerate(kinds):
        places[kind].append(place)
    return places
