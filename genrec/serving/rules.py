"""The rules of a shop: kept by name, held in memory, and brought to the catalogue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from anyio.to_thread import run_sync

from genrec.base_recommender import BaseRecommender
from genrec.errors import DataError, GenrecError
from genrec.experiments import Experiment
from genrec.rules import NamedRule, Plan
from genrec.rules.answering import AnswerWith
from genrec.rules.arms import Arm, experiments_of
from genrec.rules.plan import items_named
from genrec.serving.adapters import Adapters
from genrec.serving.errors import NotFound, ServiceError, quote
from genrec.serving.exposures import Exposures
from genrec.serving.store import RuleStore, StoredRule

MAX_ALWAYS = 25
"""Rules that hold for every request; as many more may be named by one."""

Wanted = str | Mapping[str, Any]
"""A stored rule's name, or a rule itself."""


class Sides(NamedTuple):
    """The two arms of an experiment whose lists are to be mixed, the control first.

    Attributes:
        experiment: Its name.
        arms: Their names.
        plans: The rules of each; None: there is no rule.
    """

    experiment: str
    arms: tuple[str, ...]
    plans: tuple[Plan | None, ...]


class Rules:
    """Stores rules and makes plans of them; in step with the change log, so that asking is quick.

    Rules that hold now are a mapping by name, exchanged whole: any thread may read it.
    """

    def __init__(
        self,
        store: RuleStore,
        recommender: Callable[[], BaseRecommender],
        exposures: Exposures,
        adapters: Adapters,
        is_retired: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._recommender = recommender
        self._exposures = exposures
        self._adapters = adapters
        self._is_retired = is_retired
        self._current: Mapping[str, StoredRule] = {}
        self._experiments: Mapping[str, Experiment] = {}
        self._assigned: Mapping[str, Experiment] = {}
        self._mixes = False
        self._position = 0
        self._heeded = 0
        self._turn = threading.Lock()

    @property
    def position(self) -> int:
        """Number of the last change of the log that is heeded here."""
        return self._heeded

    async def catch_up(self) -> None:
        """Heed the rules that the log holds, whichever gateway stored them.

        What they answer with is loaded; an adapter that cannot be is tried again at every look.
        """
        position = await run_sync(self._catch_up)
        if await self._adapters.hold(self._adapters_named()):
            self._heeded = position

    async def put(self, name: str, written: Mapping[str, Any], always: bool) -> StoredRule:
        """Store a rule's next version; it is heeded here from the next request on.

        Raises:
            DataError: It is no rule, names what does not exist, or contradicts a rule that holds
                for every request.
            ServiceError: Too many rules hold for every request.
            GenrecError: It answers with an adapter that cannot be loaded.
        """
        rule = NamedRule.read(name, written)
        if (path := _adapter_of(rule)) is not None:
            await self._adapters.hold({*self._adapters_named(), path})
            self._adapters.check_held(path)
        stored: StoredRule = await run_sync(self._put, rule, always)
        await self.catch_up()
        return stored

    async def get(self, name: str, version: int | None = None) -> StoredRule:
        """Return a rule, or one of its versions, those after which it was deleted among them.

        Raises:
            NotFound: There is none.
        """
        stored: StoredRule | None = await run_sync(self._store.get, name, version)
        if stored is None or stored.rule is None:
            which = f"rule {quote(name)}" + ("" if version is None else f" of version {version}")
            raise NotFound("unknown_rule", f"no {which}; GET /v1/rules lists the rules there are")
        return stored

    async def all(self) -> list[StoredRule]:
        """Return every rule, by name."""
        await self.catch_up()
        return [self._current[name] for name in sorted(self._current)]

    async def delete(self, name: str) -> None:
        """Delete a rule; its versions can still be read.

        Raises:
            NotFound: There is none.
        """
        await self.get(name)
        await run_sync(self._store_next, name, None, False)
        await self.catch_up()

    def arms_of(self, user_id: str | None) -> tuple[tuple[str, str], ...]:
        """Return a user's arm in each experiment that stored rules name; nobody known is in none.

        Rules that only hold for requests which name them count too: else a request that does not
        would be lost from the experiment.
        """
        if user_id is None:
            return ()
        experiments = sorted(self._assigned.items())
        return tuple((name, experiment.assign(user_id)) for name, experiment in experiments)

    async def plan(
        self,
        wanted: Sequence[Wanted],
        user_id: str | None = None,
        of_user: Sequence[NamedRule] = (),
    ) -> Plan | None:
        """Bring the rules that hold for every request, and those wanted, to the catalogue.

        Args:
            wanted: By a request.
            user_id: Who asks; None: somebody who is not known.
            of_user: What the user's preferences add.

        Returns:
            None where there is no rule.

        Raises:
            NotFound: No rule has a name.
            DataError: One is no rule, or they contradict each other.
        """
        rules = [*self._chosen(wanted), *of_user]
        held = [rule for rule in rules if rule.holds_for(user_id)]
        return await run_sync(self._plan, held, user_id) if held else None

    async def sides(
        self,
        wanted: Sequence[Wanted],
        user_id: str | None = None,
        of_user: Sequence[NamedRule] = (),
    ) -> Sides | None:
        """Make a plan for each arm of the experiment that is interleaved; see ``plan``.

        Returns:
            None where no stored rule names one, or the user is not known.
        """
        if user_id is None or not self._mixes:
            return None
        rules = [*self._chosen(wanted), *of_user]
        mixed = [rule.arm for rule in rules if rule.arm is not None and rule.arm.interleaved]
        if not mixed:
            return None
        experiment, plans = mixed[0].experiment, []
        for arm in experiment.live_arms:
            side = Arm(experiment, arm, interleaved=True)
            held = [rule for rule in rules if rule.arm == side or rule.holds_for(user_id)]
            plans.append(await run_sync(self._plan, held, user_id) if held else None)
        return Sides(experiment.name, experiment.live_arms, tuple(plans))

    def _chosen(self, wanted: Sequence[Wanted]) -> list[NamedRule]:
        """Return the rules that hold for every request, and those wanted."""
        current = self._current
        chosen = {name: self._held(each) for name, each in current.items() if each.always}
        for place, each in enumerate(wanted):
            if not isinstance(each, str):
                name = f"rules.{place}"
                chosen[name] = NamedRule.read(name, each).within(self._experiments)
            elif each in current:
                chosen[each] = self._held(current[each])
            else:
                raise NotFound(
                    "unknown_rule",
                    f"rules.{place}: no rule {quote(each)}; GET /v1/rules lists all",
                )
        return list(chosen.values())

    def _held(self, stored: StoredRule) -> NamedRule:
        """Return a rule as it holds here: with the weights of its experiment's newest rule."""
        return _named(stored).within(self._experiments)

    def absent(self, rule: NamedRule) -> list[str]:
        """Return the items that a rule names and that no list can hold: retired, or gone."""
        knows = self._recommender().knows
        return [one for one in items_named(rule) if not knows(one) or self._is_retired(one)]

    def fault(self, stored: StoredRule) -> str | None:
        """Return why this gateway cannot answer as a rule says; None: it can."""
        path = _adapter_of(_named(stored))
        try:
            if path is not None:
                self._adapters.check_held(path)
        except GenrecError as error:
            return str(error)
        return None

    @property
    def faults(self) -> dict[str, str]:
        """Why this gateway cannot answer as rules say, by the names of those rules."""
        found = {name: self.fault(stored) for name, stored in self._current.items()}
        return {name: f"rule '{name}': {fault}" for name, fault in found.items() if fault}

    def _plan(self, rules: Sequence[NamedRule], user_id: str | None) -> Plan:
        settled = [self._settle(each) for each in self._exposures.settle(rules, user_id)]
        recommender = self._recommender()
        for each in settled:
            # What is stored was checked then: where it cannot be kept now, users get a list still.
            if each.version is None and isinstance(each.rule, AnswerWith):
                recommender.check_model(each.rule.settings)
        return recommender.plan(settled)

    def _settle(self, named: NamedRule) -> NamedRule:
        """Return a rule whose adapter is called as it is loaded."""
        if (path := _adapter_of(named)) is None:
            return named
        assert isinstance(named.rule, AnswerWith)
        settings = replace(named.rule.settings, adapter=self._adapters.held_as(path))
        return replace(named, rule=AnswerWith(settings))

    def _adapters_named(self) -> set[str]:
        """Return the adapters that stored rules answer with, as far as somebody is in their arm."""
        named = map(self._held, self._current.values())
        paths = {_adapter_of(each) for each in named if each.arm is None or each.arm.is_live}
        return {path for path in paths if path is not None}

    def _put(self, rule: NamedRule, always: bool) -> StoredRule:
        name, written = rule.name, rule.written

        def check() -> None:
            if retired := list(filter(self._is_retired, items_named(rule))):
                raise DataError(
                    f"item {quote(retired[0])} was retired; take it out of the rule, or bring it "
                    'back with PATCH /v1/items/{item_id} {"retired": false}'
                )
            if rule.arm is not None:
                self._check_arm(rule.name, rule.arm)
            others = [each for each in self._current.values() if each.always and each.name != name]
            if always and len(others) >= MAX_ALWAYS:
                raise ServiceError(
                    "too_many",
                    f"{len(others)} rules hold for every request; at most {MAX_ALWAYS} may",
                )
            # What could not be answered is told to who writes the rule, not to who asks.
            beside = filter(rule.may_meet, map(_named, others if always else ()))
            recommender = self._recommender()
            for together in ([rule], *([rule, other] for other in beside)):
                checked = [self._settle(self._exposures.check(each)) for each in together]
                recommender.check_model(recommender.plan(checked).model)

        return self._store_next(name, written, always, check)

    def _check_arm(self, name: str, arm: Arm) -> None:
        """Refuse a second experiment that is interleaved, and one that is so in some rules only."""
        for each in map(_named, self._current.values()):
            if each.arm is None or each.name == name:
                continue
            is_same = each.arm.experiment.name == arm.experiment.name
            if is_same and each.arm.interleaved != arm.interleaved:
                what = "is" if each.arm.interleaved else "is not"
                raise DataError(
                    f"experiment '{arm.experiment.name}' {what} interleaved in rule '{each.name}': "
                    "say the same in all of its rules"
                )
            if not is_same and each.arm.interleaved and arm.interleaved:
                raise DataError(
                    f"rule '{each.name}' interleaves experiment '{each.arm.experiment.name}': one "
                    "at a time; delete its rules first"
                )

    def _store_next(
        self,
        name: str,
        written: Mapping[str, Any] | None,
        always: bool,
        check: Callable[[], None] = lambda: None,
    ) -> StoredRule:
        """Store a version that fits what holds now; again where another gateway was faster."""
        while True:
            position = self._catch_up()
            check()
            stored = self._store.put(name, written, always, position)
            if stored is not None:
                self._catch_up()
                return stored

    def _catch_up(self) -> int:
        with self._turn:
            changed, head = self._store.read(self._position)
            if changed:
                newer = {stored.name: stored for stored in changed}
                older = [one for one in self._current.values() if one.name not in newer]
                # Of one second those that the log holds last, as ``RuleStore.versions`` has them.
                by_age = sorted([*older, *newer.values()], key=lambda stored: stored.time)
                self._current = {one.name: one for one in by_age if one.rule is not None}
                arms = [_named(stored).arm for stored in self._current.values()]
                self._mixes = any(arm is not None and arm.interleaved for arm in arms)
                self._experiments = experiments_of(arms)
                self._assigned = experiments_of(
                    arm for arm in arms if arm is not None and not arm.interleaved
                )
            self._position = head
            return head


def _named(stored: StoredRule) -> NamedRule:
    return NamedRule.read(stored.name, stored.rule, stored.version)


def _adapter_of(named: NamedRule) -> str | None:
    """Return the adapter that a rule answers with; None: it names none."""
    return named.rule.settings.adapter if isinstance(named.rule, AnswerWith) else None
