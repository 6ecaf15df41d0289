"""The result of an experiment: which arm is better, at whatever moment one looks.

Enters: exposures with what came of them, one row each. Leaves: for each metric the difference of
each arm from the control with an interval that holds at every look, and a verdict. Users who were
seen in more than one arm are counted and left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import numpy as np
from rich.table import Table
from rich.text import Text

from genrec.errors import DataError
from genrec.experiments.assignment import Experiment
from genrec.experiments.columns import ARM, id_codes, numbers, to_frame
from genrec.experiments.confidence import (
    ALPHA,
    MIN_USERS,
    Interval,
    UserMean,
    mixture_interval,
    user_mean,
)
from genrec.experiments.metrics import USER, Metric
from genrec.experiments.sample_ratio import MISMATCH_P, sample_ratio_p
from genrec.frames.read import check_columns
from genrec.schema import USER_ID

EXPECTED_LIFT = 0.1
"""Relative difference that intervals are tightest for."""
GUARDRAIL_MARGIN = 0.02
"""Relative loss of a guardrail that is put up with."""

Standing = Literal["better", "worse", "open"]
Guard = Literal["harmed", "kept", "open"]


@dataclass(frozen=True)
class Difference:
    """One arm against the control, in one metric.

    Attributes:
        metric: Which.
        arm: Which arm.
        control_mean: Of the control.
        arm_mean: Of the arm.
        interval: Of arm minus control.
    """

    metric: Metric
    arm: str
    control_mean: float
    arm_mean: float
    interval: Interval

    @property
    def lift(self) -> float:
        """Relative difference; NaN where the control has nothing."""
        return self.interval.value / self.control_mean if self.control_mean else math.nan

    @property
    def standing(self) -> Standing:
        """Whether the arm is better, beyond chance."""
        gains, losses = self.interval.is_above_zero, self.interval.is_below_zero
        if self.metric.lower_is_better:
            gains, losses = losses, gains
        return "better" if gains else "worse" if losses else "open"

    @property
    def guard(self) -> Guard:
        """Whether the arm does harm, is known to do less than the margin, or neither yet."""
        if self.standing == "worse":
            return "harmed"
        worst = self.interval.low
        if self.metric.lower_is_better:
            worst = -self.interval.high
        return "kept" if worst > -GUARDRAIL_MARGIN * abs(self.control_mean) else "open"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; what is not known yet is None."""
        return {
            "metric": str(self.metric),
            "arm": self.arm,
            "control_mean": self.control_mean,
            "arm_mean": self.arm_mean,
            "difference": self.interval.value,
            "low": _finite(self.interval.low),
            "high": _finite(self.interval.high),
            "lift": _finite(self.lift),
            "standing": self.standing,
        }


@dataclass(frozen=True)
class ABResult:
    """What an experiment has shown so far.

    Attributes:
        experiment: Its name.
        control: Arm that the others are compared with.
        users: Users of each live arm.
        crossed_users: Left out, since they were seen in more than one arm.
        dropped_users: Left out, since their arm was dropped.
        sample_ratio_p: Anytime-valid p-value of the arms' sizes.
        differences: In the metric, by arm.
        guardrails: In each guardrail, by arm.
        alpha: Chance that any of the metric's intervals ever misses the truth.
    """

    experiment: str
    control: str
    users: Mapping[str, int]
    crossed_users: int
    dropped_users: int
    sample_ratio_p: float
    differences: tuple[Difference, ...]
    guardrails: tuple[Difference, ...]
    alpha: float

    @property
    def has_mismatch(self) -> bool:
        """Whether arms have other users than were assigned: then nothing else here counts."""
        return self.sample_ratio_p < MISMATCH_P

    @property
    def winner(self) -> str | None:
        """The arm to keep: the best that is better than the control and harms no guardrail.

        The control, if every other arm is worse or does harm; None while that is open.
        """
        if self.has_mismatch:
            return None
        harmful = {each.arm for each in self.guardrails if each.guard == "harmed"}
        better = [
            each
            for each in self.differences
            if each.standing == "better" and each.arm not in harmful
        ]
        if better:
            return max(better, key=lambda each: abs(each.interval.value)).arm
        lost = all(each.standing == "worse" or each.arm in harmful for each in self.differences)
        return self.control if lost else None

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        if self.has_mismatch:
            return (
                "sample ratio mismatch: the arms do not have the users that were assigned to them "
                f"(p = {self.sample_ratio_p:.1g}); find out why before reading anything else"
            )
        return f"keep {self.winner}" if self.winner else "open: no arm is better beyond chance yet"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        guardrails = [{**each.to_json(), "guard": each.guard} for each in self.guardrails]
        return {
            "experiment": self.experiment,
            "control": self.control,
            "winner": self.winner,
            "verdict": self.verdict,
            "users": dict(self.users),
            "crossed_users": self.crossed_users,
            "dropped_users": self.dropped_users,
            "sample_ratio_p": self.sample_ratio_p,
            "alpha": self.alpha,
            "differences": [each.to_json() for each in self.differences],
            "guardrails": guardrails,
        }

    def table(self) -> Table:
        """Lay out the means, the differences and the verdict."""
        users = ", ".join(f"{arm} {count:,}" for arm, count in self.users.items())
        left_out = f"; left out: {self.crossed_users:,} seen in several arms, "
        left_out += f"{self.dropped_users:,} of dropped arms"
        table = Table(
            title=Text(f"{self.experiment}: {self.verdict}"),
            caption=Text(
                f"users: {users}{left_out}\nintervals hold at every look "
                f"({1 - self.alpha:.0%} over all arms of the metric)"
            ),
            title_justify="left",
            caption_justify="left",
        )
        for column in ("metric", "arm"):
            table.add_column(column, overflow="fold")
        for column in (self.control, "arm's", "difference", "interval", "lift", ""):
            table.add_column(Text(column), justify="right")
        for each in self.differences:
            table.add_row(*_show(each, each.standing))
        table.add_section()
        for each in self.guardrails:
            table.add_row(*_show(each, each.guard))
        return table


def analyse(
    experiment: Experiment,
    exposures: Any,
    metric: Metric,
    guardrails: Sequence[Metric] = (),
    alpha: float = ALPHA,
    expected_lift: float = EXPECTED_LIFT,
) -> ABResult:
    """Compare the arms of an experiment, as of now.

    It may be asked as often as one likes: the chance that an experiment whose arms are alike ever
    has a winner is at most ``alpha``.

    Args:
        experiment: With the weights that users were assigned by.
        exposures: Data frame (pandas, Polars or Arrow) with columns ``user_id`` and ``arm``, and
            those that the metrics name. A row is an exposure, or a user's sums.
        metric: What decides.
        guardrails: What must not be harmed.
        alpha: Chance of ever calling a difference where there is none; shared by the arms.
        expected_lift: Relative difference that intervals are tightest for. Choose it before the
            experiment begins.

    Raises:
        DataError: A column is missing, an arm is unknown, a live arm has nobody, a number cannot
            be used.
    """
    if not 0 < alpha < 1:
        raise DataError(f"alpha={alpha}: give a chance between 0 and 1, such as 0.05")
    if not (math.isfinite(expected_lift) and expected_lift > 0):
        raise DataError(f"expected_lift={expected_lift}: give a relative difference, such as 0.1")
    frame = to_frame(exposures, "exposures")
    columns = {column for each in (metric, *guardrails) for column in each.columns}
    check_columns(frame, [USER_ID, ARM, *sorted(columns)], None, "exposures")
    groups = _group_users(experiment, frame)
    sums = _Sums(frame, groups)
    others = experiment.live_arms[1:]
    counts = np.array([groups.size(arm) for arm in experiment.live_arms])
    shares = np.array(list(experiment.shares.values()))
    # Of several arms any may err; a guardrail that errs only keeps an arm from winning.
    shared = alpha / len(others)
    return ABResult(
        experiment=experiment.name,
        control=experiment.control,
        users=dict(zip(experiment.live_arms, counts.tolist(), strict=True)),
        crossed_users=groups.num_crossed,
        dropped_users=groups.num_dropped,
        sample_ratio_p=sample_ratio_p(counts, shares),
        differences=sums.differences(experiment, metric, shared, expected_lift),
        guardrails=tuple(
            difference
            for guardrail in guardrails
            for difference in sums.differences(experiment, guardrail, shared, expected_lift)
        ),
        alpha=alpha,
    )


@dataclass(frozen=True)
class _Groups:
    """Users by arm.

    Attributes:
        row_users: The user of each row, from 0. Shape: (R,).
        members: Users of each arm who were in no other.
        num_crossed: Users who were in several.
        num_dropped: Users of dropped arms.
    """

    row_users: np.ndarray
    members: Mapping[str, np.ndarray]
    num_crossed: int
    num_dropped: int

    def size(self, arm: str) -> int:
        return len(self.members[arm])


def _group_users(experiment: Experiment, frame: nw.DataFrame[Any]) -> _Groups:
    row_users, users = id_codes(frame, USER_ID, "exposures")
    row_arms, names = id_codes(frame, ARM, "exposures")
    if unknown := [name for name in names if name not in experiment.arms]:
        raise DataError(
            f"exposures.{ARM} has '{unknown[0]}', which is no arm of experiment "
            f"'{experiment.name}' ({', '.join(experiment.arms)}); a dropped arm stays in the "
            "experiment with weight 0"
        )
    first = np.full(len(users), len(names))
    last = np.full(len(users), -1)
    np.minimum.at(first, row_users, row_arms)
    np.maximum.at(last, row_users, row_arms)
    place = {name: number for number, name in enumerate(names)}
    alone = first == last
    members = {
        arm: np.flatnonzero(alone & (first == place.get(arm, -1))) for arm in experiment.arms
    }
    if empty := [arm for arm in experiment.live_arms if not len(members[arm])]:
        raise DataError(
            f"arm '{empty[0]}' of experiment '{experiment.name}' has no users of its own in "
            "exposures; give it weight 0 if it was dropped"
        )
    dropped = [len(found) for arm, found in members.items() if arm not in experiment.live_arms]
    return _Groups(row_users, members, int((~alone).sum()), sum(dropped))


@dataclass(frozen=True)
class _Sums:
    """Sums of columns over each user's rows."""

    frame: nw.DataFrame[Any]
    groups: _Groups

    def differences(
        self, experiment: Experiment, metric: Metric, alpha: float, expected_lift: float
    ) -> tuple[Difference, ...]:
        means = {arm: self._mean(metric, arm) for arm in experiment.live_arms}
        control = means[experiment.control]
        return tuple(
            Difference(
                metric,
                arm,
                control.value,
                means[arm].value,
                _compare(control, means[arm], alpha, expected_lift),
            )
            for arm in experiment.live_arms[1:]
        )

    def _mean(self, metric: Metric, arm: str) -> UserMean:
        users = self.groups.members[arm]
        numerators = self._sum(numbers(self.frame, metric.name, "exposures"))[users]
        if metric.per == USER:
            denominators = np.ones(len(users))
        elif metric.column_below is None:
            denominators = self._sum(None)[users]
        else:
            column = numbers(self.frame, metric.column_below, "exposures", low=0)
            denominators = self._sum(column)[users]
        if denominators.sum() == 0:
            raise DataError(f"exposures.{metric.per} is 0 for all users of arm '{arm}'")
        return user_mean(numerators, denominators)

    def _sum(self, values: np.ndarray | None) -> np.ndarray:
        """Return the sum of each user's values; None: the number of rows."""
        return np.bincount(self.groups.row_users, values).astype(float)


def _compare(control: UserMean, arm: UserMean, alpha: float, expected_lift: float) -> Interval:
    difference = arm.value - control.value
    if min(control.num_users, arm.num_users) < MIN_USERS:
        return Interval(difference, -math.inf, math.inf)
    users = control.num_users + arm.num_users
    pooled = (control.value * control.num_users + arm.value * arm.num_users) / users
    variance = control.variance + arm.variance
    return mixture_interval(difference, variance, expected_lift * abs(pooled), alpha)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _show(each: Difference, state: str) -> list[str | Text]:
    interval = each.interval
    known = math.isfinite(interval.low)
    return [
        Text(str(each.metric)),
        Text(each.arm),
        f"{each.control_mean:.4g}",
        f"{each.arm_mean:.4g}",
        f"{interval.value:+.4g}",
        f"{interval.low:+.4g} to {interval.high:+.4g}" if known else "too few users",
        f"{each.lift:+.1%}",
        Text(state, {"better": "green", "kept": "green", "open": ""}.get(state, "red")),
    ]
