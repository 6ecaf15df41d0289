"""Rules brought to a catalogue: which rows each concerns.

Enters: rules, and the attributes of a table's items. Leaves: a ``Plan``: masks and groups of rows,
the same for every user. What a plan does to a list is in ``lists``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from genrec.errors import DataError, TooFewItems
from genrec.filters.language import AllOf, Among, AnyOf, Compare, Exists, Filter, Not
from genrec.rules.answering import AnswerWith, join_settings
from genrec.rules.language import (
    AtLeast,
    AtMost,
    Ban,
    Boost,
    Calibrate,
    Diversity,
    Explore,
    NamedRule,
    Pin,
    Seen,
    ShownAtMost,
    Turn,
)
from genrec.rules.turning import nats_to_turn, share_of
from genrec.schema import AS_SERVED, EXPLORATION, ITEM_ID, History, Recommendation, Request
from genrec.semantic_ids.kinship import Kinship
from genrec.semantic_ids.row_set import RowSet
from genrec.table_attributes import TableAttributes

MAX_RULES = 50


class Plan:
    """The rules of one request.

    Attributes:
        rules: As they were asked for.
        bonus: Nats added to the score of each row. Shape: (N,), float64.
        turns: What a user wants more or less of, and which rows it is; how many nats that takes
            depends on the request (``bonus_for``). Shape of each: (N,), bool.
        allowed: Which rows no rule bans; None: all. Shape: (N,), bool.
        pins: Rows by place of the list, 0 the first.
        caps: Rules that limit how many share a value.
        quotas: Rules that want some of a kind, and which rows are. Shape of each: (N,), bool.
        like_cost: Nats that a pair of items costs, times their likeness.
        kinship: The groups that likeness is counted by; None: no rule asks for diversity.
        exploration: At how many ranks chance chooses; None: at none.
        calibrations: Rules that want a list to follow its user's history, and of each row the kind
            that it counts for, -1 where for none. Shape of each: (N,), int64.
        seen: Whether items of the history are wanted; None: no rule says.
        model: How the model is to answer.
        signatures: Rows of one number are alike to boosts, quotas and calibrations. Shape: (N,),
            int64.
    """

    def __init__(self, attributes: TableAttributes, rules: Sequence[NamedRule]) -> None:
        """Bring rules to a catalogue.

        A stored rule may name items that have been retired since; what it says of them is passed
        over.

        Raises:
            DataError: Rules contradict each other, are too many, or name an attribute or, in a
                rule that is not stored, an item that does not exist.
        """
        if len(rules) > MAX_RULES:
            raise DataError(f"{len(rules)} rules in one request; at most {MAX_RULES} are taken")
        self.attributes, self.rules = attributes, tuple(rules)
        self.allowed: np.ndarray | None = None
        self.bonus = np.zeros(len(attributes))
        self.turns: list[tuple[Turn, np.ndarray]] = []
        self._spent: np.ndarray | None = None
        self.pins: dict[int, int] = {}
        self.caps: list[tuple[NamedRule, AtMost]] = []
        self.quotas: list[tuple[NamedRule, AtLeast, np.ndarray]] = []
        self.like_cost = 0.0
        self.kinship: Kinship | None = None
        self.exploration: Explore | None = None
        self.calibrations: list[tuple[Calibrate, np.ndarray]] = []
        self.seen: Seen | None = None
        self.model = AS_SERVED
        for named in rules:
            try:
                if named.version is None:
                    check_items(named, attributes)
                self._add(named)
            except DataError as error:
                raise type(error)(f"rule '{named.name}': {error}") from None
        self._check_pins()
        if self._spent is not None:
            self.allowed = self._allowed_mask() & ~self._spent
        self.signatures = self._group_rows()
        self._passing = lru_cache(None)(lambda: RowSet(attributes.of, self._allowed_mask()))

    @property
    def rules_of_lists(self) -> tuple[NamedRule, ...]:
        """Those that say nothing of how the model answers."""
        return tuple(named for named in self.rules if not isinstance(named.rule, AnswerWith))

    @property
    def chooses(self) -> bool:
        """Whether a list is more than the best items that are allowed."""
        return self.exploration is not None or self.judges_lists

    @property
    def judges_lists(self) -> bool:
        """Whether some lists are better than that of the best items, or the only ones allowed."""
        listed = self.pins or self.caps or self.quotas or self.like_cost or self.calibrations
        return bool(listed or self.turns or self.bonus.any())

    @property
    def binds_lists(self) -> bool:
        """Whether a list of items that are allowed may break a rule, as a mix of two lists can."""
        return bool(self.pins or self.caps or self.quotas)

    def bonus_for(self, pool: Sequence[Recommendation]) -> np.ndarray:
        """Return the nats added to the score of each row of one request.

        Args:
            pool: What a search found for it; the shares of items are those in its odds.
        """
        rows = [self.attributes.of.index_of(one.item_id) for one in pool]
        scores = np.array([one.score for one in pool])
        bonus = self.bonus
        for turn, mask in self.turns:
            bonus = bonus + nats_to_turn(turn.want, share_of(mask[rows], scores)) * mask
        return bonus

    def steer(self, request: Request) -> Request:
        """Return a request that finds nothing banned, and is answered as rules say."""
        if self.model != AS_SERVED:
            request = replace(request, model=self.model)
        if self.seen is not None:
            request = replace(request, filter_seen=self.seen.which == "never")
            if self.seen.which == "only":
                had = frozenset(event.item_id for event in request.history.events)
                inside = had if request.candidates is None else had & frozenset(request.candidates)
                request = replace(request, candidates=inside)
        if self.allowed is None:
            return request
        if request.candidates is None:
            return replace(request, candidates=self._passing())
        within = self.attributes.narrowed(request.candidates, self.allowed)
        return replace(request, candidates=within)

    def check_enough(self, request: Request, k: int) -> None:
        """Check that a request that the plan steered leaves ``k`` items.

        Raises:
            TooFewItems: It leaves fewer; rules that forbid items are named.
        """
        try:
            self.attributes.of.check_enough(request, k)
        except TooFewItems as error:
            forbidding = [
                f"'{named.name}'"
                for named in self.rules
                if isinstance(named.rule, Ban | Seen)
                or (isinstance(named.rule, AtMost) and named.rule.spent)
            ]
            told = f"; rules that forbid items: {', '.join(forbidding)}" if forbidding else ""
            raise TooFewItems(f"{error}{told}") from None

    def touched(self, items: Sequence[Recommendation]) -> list[list[str]]:
        """Return for each rule which items of an answer it speaks of."""
        table = self.attributes.of
        touched = []
        for named in self.rules:
            rule = named.rule
            match rule:
                case Boost(where) | Turn(where) | AtLeast(_, where):
                    mask = self.attributes.mask(where)
                    ids = [one.item_id for one in items if mask[table.index_of(one.item_id)]]
                case Explore():
                    ids = [one.item_id for one in items if one.placed_by == EXPLORATION]
                case Pin(item_ids):
                    ids = [one.item_id for one in items if one.item_id in item_ids]
                case _:
                    ids = []
            touched.append(ids)
        return touched

    def _add(self, named: NamedRule) -> None:
        match named.rule:
            case Ban(where):
                self.allowed = self._allowed_mask() & ~self.attributes.mask(where)
            case Boost(where, nats):
                self.bonus = self.bonus + nats * self.attributes.mask(where)
            case Turn(where) as rule:
                self.turns.append((rule, self.attributes.mask(where)))
            case Pin(item_ids, at):
                self._pin(item_ids, at - 1)
            case AtMost() as rule:
                self.attributes.check(rule.per)
                if rule.spent:
                    mask = self.attributes.mask(Among(rule.per, "any", rule.spent))
                    self._spent = mask if self._spent is None else self._spent | mask
                if rule.per != ITEM_ID:
                    self.caps.append((named, rule))
            case ShownAtMost():
                raise DataError(
                    "only a gateway keeps what it showed; ask it, or give 'exclude' what was shown"
                )
            case AtLeast(_, where) as rule:
                self.quotas.append((named, rule, self.attributes.mask(where)))
            case Diversity(nats):
                self.like_cost += nats
                self.kinship = self.attributes.kinship
            case Explore() as rule:
                if self.exploration not in (None, rule):
                    raise DataError("rules contradict each other: two say different of 'explore'")
                self.exploration = rule
            case Calibrate() as rule:
                kinds = self.attributes.kinds(rule.attribute, rule.level)
                self.calibrations.append((rule, kinds))
            case Seen() as rule:
                if self.seen not in (None, rule):
                    raise DataError("rules contradict each other: two say different of 'seen'")
                self.seen = rule
            case AnswerWith(settings):
                self.model = join_settings(self.model, settings)

    def _pin(self, item_ids: Sequence[str], at: int) -> None:
        table = self.attributes.of
        for place, item_id in enumerate(item_ids, start=at):
            if not table.knows(item_id):
                continue
            if place in self.pins or table.index_of(item_id) in self.pins.values():
                raise DataError(
                    f"rules contradict each other: '{item_id}' at place {place + 1} is pinned "
                    "twice, or something else is pinned there"
                )
            self.pins[place] = table.index_of(item_id)

    def _check_pins(self) -> None:
        for row in self.pins.values():
            if self.allowed is not None and not self.allowed[row]:
                item_id = self.attributes.of.item_ids[row]
                raise DataError(
                    f"rules contradict each other: item '{item_id}' is pinned and banned; change "
                    "one of the rules"
                )

    def _allowed_mask(self) -> np.ndarray:
        return np.ones(len(self.attributes), dtype=bool) if self.allowed is None else self.allowed

    def _group_rows(self) -> np.ndarray:
        """Number the rows by what quotas and boosts make of them. Shape: (N,), int64."""
        quotas, kinds = (mask for *_, mask in self.quotas), (each for _, each in self.calibrations)
        turned = (mask for _, mask in self.turns)
        traits = [self.bonus, *turned, *quotas, *kinds]
        numbers = np.zeros(len(self.bonus), dtype=np.int64)
        for trait in traits:
            values, of_row = np.unique(trait, return_inverse=True)
            numbers = numbers * len(values) + of_row
            _, numbers = np.unique(numbers, return_inverse=True)
        return numbers

    def shares(self, kinds: np.ndarray, history: History) -> dict[int, float]:
        """Return the share of each kind in a history's events that are of some."""
        rows = self.attributes.of.rows_of(event.item_id for event in history.events)
        found, counts = np.unique(kinds[rows][kinds[rows] >= 0], return_counts=True)
        return dict(zip(found.tolist(), (counts / counts.sum()).tolist(), strict=True))

    def codes_of(self, cap: AtMost, row: int) -> tuple[str, ...]:
        """Return the values of a row's item that count for a cap."""
        if cap.level is None:
            return tuple(dict.fromkeys(self.attributes.texts(cap.per, row)))
        value = self.attributes.value_at(cap.per, row, cap.level)
        return () if value is None else (value,)


def check_items(named: NamedRule, attributes: TableAttributes) -> None:
    """Check that a rule speaks of items and attributes that exist.

    Raises:
        DataError: It names one that does not.
    """
    match named.rule:
        case Ban(where) | Boost(where) | Turn(where) | AtLeast(_, where):
            attributes.mask(where)
        case AtMost(_, attribute) | Calibrate(attribute):
            attributes.check(attribute)
    if unknown := [one for one in items_named(named) if not attributes.of.knows(one)]:
        raise DataError(
            f"item '{unknown[0]}' is not in the catalogue, or was retired; check the ID (IDs are "
            "text and case-sensitive), or take it out of the rule"
        )


def items_named(named: NamedRule) -> list[str]:
    """Return the IDs of the items that a rule names."""
    match named.rule:
        case Pin() as pin:
            return list(pin.item_ids)
        case Ban(where) | Boost(where) | Turn(where) | AtLeast(_, where):
            return _named_items(where)
        case _:
            return []


def _named_items(where: Filter) -> list[str]:
    match where:
        case Among(attribute, _, values):
            return [str(value) for value in values] if attribute == ITEM_ID else []
        case Not(part):
            return _named_items(part)
        case AllOf(parts) | AnyOf(parts):
            return [item_id for part in parts for item_id in _named_items(part)]
        case Compare() | Exists():
            return []
