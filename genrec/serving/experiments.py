"""Experiments of a gateway: who was shown what in which arm, what followed, and which is better.

Enters: every version of the rules, what was shown and what was done. Leaves: for each experiment
that rules name (``genrec.rules.arms``) its arms and what ``genrec.experiments`` makes of them: of
users who were each shown one arm's lists, or of lists that were mixed of both (``drafts``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from genrec.errors import DataError
from genrec.experiments import ABResult, Experiment, Metric, Preference, analyse, judge
from genrec.experiments.columns import ARM
from genrec.experiments.confidence import ALPHA
from genrec.experiments.interleaving import CREDIT, Interleaved, Team
from genrec.feedback import is_evidence
from genrec.rules.arms import ARM as ARM_OF_RULE
from genrec.rules.arms import Arm, experiments_of, read_arm
from genrec.schema import USER_ID
from genrec.serving.store import EventStore, Impression, ImpressionStore, RuleStore, StoredRule

MAX_PAGES = 100_000
"""Newest pages that are looked at; what is older counts as not shown."""
CLICKS = Metric("clicks", "shown")
COUNTED = ("shown", "clicks", "conversions", "dislikes")
GUARDRAILS = (Metric("conversions", "shown"), Metric("dislikes", "shown", lower_is_better=True))

ArmOf = Callable[[Impression], str | None]
"""In which arm a page was shown; None: in none."""
Followed = Mapping[str, Mapping[str, set[str]]]
"""Items that were clicked, disliked and so on, by the page that this followed."""


@dataclass(frozen=True)
class Trial:
    """An experiment that rules name, or named.

    Attributes:
        experiment: As it was last; arms that it had before are in it with weight 0.
        rules: Names of the rules that name it, or named it last.
        began: When a rule first named it, seconds.
        ended: When no rule named it any more, seconds; None: it runs.
        interleaved: Whether users were shown lists that are mixed of both arms'.
    """

    experiment: Experiment
    rules: tuple[str, ...]
    began: int
    ended: int | None
    interleaved: bool = False

    def arm_of(self, page: Impression) -> str | None:
        """Return the arm that a page was shown in."""
        return dict(page.arms).get(self.experiment.name)


@dataclass(frozen=True)
class ArmFigures:
    """What users of an arm were shown, and what they did.

    Attributes:
        users: Different users who were shown a page.
        pages: Different pages shown.
        shown: Items on them.
        clicks: Items of them that an event followed which does not speak against its item.
        conversions: Items that a conversion followed.
        dislikes: Items that an event followed which speaks against its item.
    """

    users: int
    pages: int
    shown: int
    clicks: int
    conversions: int
    dislikes: int

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> ArmFigures:
        """Sum up the pages of an arm."""
        sums = (sum(row[name] for row in rows) for name in COUNTED)
        return cls(len({row[USER_ID] for row in rows}), len(rows), *sums)


@dataclass(frozen=True)
class Judged:
    """An experiment as of now.

    Attributes:
        since: Pages shown before this moment do not count, seconds.
        arms: What happened in each arm, the control first.
        result: Which is better; None: nothing can be said yet, or lists are mixed.
        fault: Why nothing can be said.
        preference: Of mixed lists, which arm's items users take: 1 if always the challenger's, -1
            if the control's.
    """

    since: int
    arms: Mapping[str, ArmFigures]
    result: ABResult | None
    fault: str | None
    preference: Preference | None = None


class Experiments:
    """Judges experiments by what a store holds; every method may be called from any thread."""

    def __init__(
        self,
        stores: tuple[RuleStore, ImpressionStore, EventStore],
        conversions: Collection[str],
        attribution_s: int,
        clock: Callable[[], float],
    ) -> None:
        """Take what is stored.

        Args:
            stores: Of rules, of what was shown, and of what was done.
            conversions: Types of events that count as a conversion.
            attribution_s: How long after a page an event may follow it.
            clock: Tells the time, seconds.
        """
        self._rules, self._impressions, self._events = stores
        self._conversions = frozenset(conversions)
        self._attribution_s = attribution_s
        self._clock = clock

    def all(self, **judging: Any) -> list[tuple[Trial, Judged]]:
        """Judge every experiment that rules name or named, those that run first, then the newest.

        Args:
            judging: See ``judge``; of mixed lists only ``alpha`` counts.

        Raises:
            SQLAlchemyError: The store does not answer.
        """
        trials = read_trials(self._rules.versions())
        trials.sort(key=lambda trial: (trial.ended is not None, -trial.began))
        return [(trial, self._judge(trial, **judging)) for trial in trials]

    def _judge(self, trial: Trial, **judging: Any) -> Judged:
        """Judge one of several: what is wrong with it is its own fault, not that of the others."""
        try:
            if trial.interleaved:
                return self._judge_mixed(trial, judging.get("alpha", ALPHA))
            args = (trial.experiment, trial.arm_of, trial.began, trial.ended)
            return self.judge(*args, **judging)
        except ArithmeticError as error:
            return Judged(trial.began, {}, None, f"its figures cannot be reckoned with: {error}")

    def judge(
        self,
        experiment: Experiment,
        arm_of: ArmOf = lambda page: page.arm,
        since: int = 0,
        until: int | None = None,
        metric: Metric = CLICKS,
        guardrails: Sequence[Metric] = GUARDRAILS,
        **options: float,
    ) -> Judged:
        """Judge one experiment.

        Args:
            experiment: Its arms.
            arm_of: Says in which of them a page was shown; the arm that its request named.
            since: When it began, seconds.
            until: When it ended (not included), seconds; None: it runs.
            metric: What decides, of ``shown``, ``clicks``, ``conversions`` and ``dislikes``.
            guardrails: What must not be harmed.
            options: Of ``genrec.experiments.analyse``.

        Raises:
            SQLAlchemyError: The store does not answer.
        """
        since, pages, followed = self._read(since, until)
        rows = _rows(pages, followed, arm_of)
        arms = {
            arm: ArmFigures.of([row for row in rows if row[ARM] == arm]) for arm in experiment.arms
        }
        if empty := [arm for arm in experiment.live_arms if not arms[arm].users]:
            fault = f"no page was shown to a known user of arm '{empty[0]}' yet"
            return Judged(since, arms, None, fault)
        try:
            table = pa.Table.from_pylist(rows)
            result = analyse(experiment, table, metric, guardrails, **options)
        except DataError as error:
            return Judged(since, arms, None, str(error))
        return Judged(since, arms, result, None)

    def _judge_mixed(self, trial: Trial, alpha: float) -> Judged:
        """Say which arm's items users take from lists that were mixed of both."""
        since, pages, followed = self._read(trial.began, trial.ended)
        mixed = {
            name: (page, draft)
            for name, page in pages.items()
            if (draft := page.draft) is not None
            and (draft.experiment, *draft.adapters)
            == (trial.experiment.name, *trial.experiment.live_arms)
        }
        rows, credits = defaultdict(list), []
        for name, (page, draft) in mixed.items():
            of_arms = list(zip([item_id for item_id, _ in page.items], draft.arms, strict=True))
            for arm in trial.experiment.live_arms:
                shown = {item_id for item_id, whose in of_arms if whose == arm}
                rows[arm].append(_row(page, arm, shown, followed.get(name, {})))
            teams: list[Team] = [
                "first" if arm == draft.challenger else "second" for arm in draft.arms
            ]
            mix = Interleaved(tuple(item_id for item_id, _ in of_arms), tuple(teams))
            credit = mix.credit(followed.get(name, {}).get("clicks", ()))
            credits.append({USER_ID: page.user_id, CREDIT: credit})
        arms = {arm: ArmFigures.of(rows[arm]) for arm in trial.experiment.live_arms}
        if not credits:
            fault = (
                "no list was mixed for a known user yet (a rule that binds whole lists, such as "
            )
            return Judged(since, arms, None, f"{fault}at_most, keeps them apart)")
        preference = judge(pa.Table.from_pylist(credits), alpha)
        return Judged(since, arms, None, None, preference)

    def _read(
        self, since: int, until: int | None
    ) -> tuple[int, Mapping[str, Impression], Followed]:
        """Return from when on pages count, the pages, and what followed each of them."""
        until = int(self._clock()) + 1 if until is None else until
        pages = self._impressions.between(since, until, MAX_PAGES)
        if len(pages) == MAX_PAGES:
            since = min(page.time for page in pages.values())
        followed: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for stored in self._events.between(since, until + self._attribution_s):
            if (name := stored.recommendation_id) is None:
                continue
            event = stored.event
            liked = is_evidence(event.event_type)
            followed[name]["clicks" if liked else "dislikes"].add(event.item_id)
            if event.event_type in self._conversions:
                followed[name]["conversions"].add(event.item_id)
        return since, pages, followed


def _rows(
    pages: Mapping[str, Impression], followed: Followed, arm_of: ArmOf
) -> list[dict[str, Any]]:
    """Return a row for each page of a known user in an arm: what it showed, what followed."""
    rows = []
    for name, page in pages.items():
        arm = None if page.user_id is None else arm_of(page)
        if arm is not None:
            shown = {item_id for item_id, _ in page.items}
            rows.append(_row(page, arm, shown, followed.get(name, {})))
    return rows


def _row(
    page: Impression, arm: str, shown: Set[str], done: Mapping[str, Set[str]]
) -> dict[str, Any]:
    counts = {what: len(shown & done.get(what, frozenset())) for what in COUNTED[1:]}
    return {USER_ID: page.user_id, ARM: arm, "shown": len(shown), **counts}


def read_trials(versions: Iterable[StoredRule]) -> list[Trial]:
    """Return the experiments that rules name or named.

    Args:
        versions: Every version of every rule, oldest first.

    A version whose arm cannot be read names no experiment: versions stay for ever, and one of
    another release must not take all experiments away.
    """
    holding: dict[str, Arm] = {}
    trials: dict[str, Trial] = {}
    for stored in versions:
        before = holding.pop(stored.name, None)
        if (arm := _arm_of(stored)) is not None:
            holding[stored.name] = arm
        running = experiments_of(holding.values())
        for name in experiments_of([before, holding.get(stored.name)]):
            trial, now = trials.get(name), running.get(name)
            if now is None:
                assert trial is not None
                trials[name] = replace(trial, ended=stored.time)
                continue
            naming = {rule: arm for rule, arm in holding.items() if arm.experiment.name == name}
            rules = sorted(naming)
            interleaved = any(arm.interleaved for arm in naming.values())
            if trial is None:
                trials[name] = Trial(now, tuple(rules), stored.time, None, interleaved)
            else:
                dropped = {arm: 0.0 for arm in trial.experiment.arms if arm not in now.arms}
                both = Experiment(name, {**now.arms, **dropped})
                again = replace(trial, experiment=both, rules=tuple(rules), ended=None)
                trials[name] = replace(again, interleaved=interleaved)
    return list(trials.values())


def _arm_of(stored: StoredRule) -> Arm | None:
    if stored.rule is None or ARM_OF_RULE not in stored.rule:
        return None
    try:
        return read_arm(stored.rule[ARM_OF_RULE], stored.name, is_new=False)
    except DataError:
        return None
