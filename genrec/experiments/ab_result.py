"""What an experiment has shown: differences, guardrails and a verdict, to print or to keep.

Enters: means and intervals, from ``ab_test``. Knows no rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from genrec.experiments.confidence import Interval
from genrec.experiments.metrics import Metric
from genrec.experiments.sample_ratio import MISMATCH_P

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
        return self.interval.value / abs(self.control_mean) if self.control_mean else math.nan

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
        if self.crossed_users or self.dropped_users:
            users += f"; left out: {self.crossed_users:,} seen in several arms, "
            users += f"{self.dropped_users:,} of dropped arms"
        table = Table(
            title=Text(f"{self.experiment}: {self.verdict}"),
            caption=Text(
                f"users: {users}\nintervals are of arm minus {self.control} and hold at every look "
                f"({1 - self.alpha:.0%} over all arms)"
            ),
            title_justify="left",
            caption_justify="left",
        )
        for column in ("metric", "arm"):
            table.add_column(column, overflow="fold")
        for column in (self.control, "arm's", "lift", "interval", ""):
            table.add_column(Text(column), justify="right", no_wrap=column == "interval")
        for each in self.differences:
            table.add_row(*_show(each, each.standing))
        table.add_section()
        for each in self.guardrails:
            table.add_row(*_show(each, each.guard))
        return table


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _show(each: Difference, state: str) -> list[str | Text]:
    interval = each.interval
    known = math.isfinite(interval.low)
    return [
        Text(str(each.metric)),
        Text(each.arm),
        f"{each.control_mean:.3g}",
        f"{each.arm_mean:.3g}",
        f"{each.lift:+.1%}",
        f"{interval.low:+.3g} to {interval.high:+.3g}" if known else "too few users",
        Text(state, {"better": "green", "kept": "green", "open": ""}.get(state, "red")),
    ]
