"""The rules of a shop: kept by name, held in memory, and brought to the catalogue."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyio.to_thread import run_sync

from genrec.base_recommender import BaseRecommender
from genrec.errors import DataError
from genrec.experiments import Experiment
from genrec.rules import NamedRule, Plan
from genrec.rules.arms import experiments_of
from genrec.rules.plan import items_named
from genrec.serving.errors import NotFound, ServiceError, quote
from genrec.serving.exposures import Exposures
from genrec.serving.store import RuleStore, StoredRule

MAX_ALWAYS = 25
"""Rules that hold for every request; as many more may be named by one."""

Wanted = str | Mapping[str, Any]
"""A stored rule's name, or a rule itself."""


class Rules:
    """Stores rules and makes plans of them; in step with the change log, so that asking is quick.

    Rules that hold now are a mapping by name, exchanged whole: any thread may read it.
    """

    def __init__(
        self,
        store: RuleStore,
        recommender: Callable[[], BaseRecommender],
        exposures: Exposures,
        is_retired: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._recommender = recommender
        self._exposures = exposures
        self._is_retired = is_retired
        self._current: Mapping[str, StoredRule] = {}
        self._experiments: Mapping[str, Experiment] = {}
        self._position = 0
        self._turn = threading.Lock()

    @property
    def position(self) -> int:
        """Number of the last change of the log that is known here."""
        return self._position

    async def catch_up(self) -> None:
        """Heed the rules that the log holds, whichever gateway stored them."""
        await run_sync(self._catch_up)

    async def put(self, name: str, written: Mapping[str, Any], always: bool) -> StoredRule:
        """Store a rule's next version; it is heeded here from the next request on.

        Raises:
            DataError: It is no rule, names what does not exist, or contradicts a rule that holds
                for every request.
            ServiceError: Too many rules hold for every request.
        """
        return await run_sync(self._put, name, written, always)

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

    def arms_of(self, user_id: str | None) -> tuple[tuple[str, str], ...]:
        """Return a user's arm in each experiment that stored rules name; nobody known is in none.

        Rules that only hold for requests which name them count too: else a request that does not
        would be lost from the experiment.
        """
        if user_id is None:
            return ()
        experiments = sorted(self._experiments.items())
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
        current = self._current
        chosen = {name: _named(each) for name, each in current.items() if each.always}
        for place, each in enumerate(wanted):
            if not isinstance(each, str):
                name = f"rules.{place}"
                chosen[name] = NamedRule.read(name, each)
            elif each in current:
                chosen[each] = _named(current[each])
            else:
                raise NotFound(
                    "unknown_rule",
                    f"rules.{place}: no rule {quote(each)}; GET /v1/rules lists all",
                )
        rules = [rule for rule in [*chosen.values(), *of_user] if rule.holds_for(user_id)]
        return await run_sync(self._plan, rules, user_id) if rules else None

    def absent(self, rule: NamedRule) -> list[str]:
        """Return the items that a rule names and that no list can hold: retired, or gone."""
        knows = self._recommender().knows
        return [one for one in items_named(rule) if not knows(one) or self._is_retired(one)]

    def _plan(self, rules: Sequence[NamedRule], user_id: str | None) -> Plan:
        return self._recommender().plan(self._exposures.settle(rules, user_id))

    def _put(self, name: str, written: Mapping[str, Any], always: bool) -> StoredRule:
        rule = NamedRule.read(name, written)

        def check() -> None:
            if retired := list(filter(self._is_retired, items_named(rule))):
                raise DataError(
                    f"item {quote(retired[0])} was retired; take it out of the rule, or bring it "
                    'back with PATCH /v1/items/{item_id} {"retired": false}'
                )
            others = [each for each in self._current.values() if each.always and each.name != name]
            if always and len(others) >= MAX_ALWAYS:
                raise ServiceError(
                    "too_many",
                    f"{len(others)} rules hold for every request; at most {MAX_ALWAYS} may",
                )
            # What could not be answered is told to who writes the rule, not to who asks.
            together = [rule, *map(_named, others if always else ())]
            self._recommender().plan([self._exposures.check(each) for each in together])

        return self._store_next(name, written, always, check)

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
                self._current = {
                    name: stored
                    for name, stored in {**self._current, **newer}.items()
                    if stored.rule is not None
                }
                by_age = sorted(self._current.values(), key=lambda stored: stored.time)
                arms = [_named(stored).arm for stored in by_age]
                self._experiments = experiments_of(arms)
            self._position = head
            return head


def _named(stored: StoredRule) -> NamedRule:
    return NamedRule.read(stored.name, stored.rule, stored.version)
