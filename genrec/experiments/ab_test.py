"""The result of an experiment: which arm is better, at whatever moment one looks.

Enters: exposures with what came of them, one row each. Leaves: for each metric the difference of
each arm from the control with an interval that holds at every look, and a verdict. Users who were
seen in more than one arm are counted and left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np

from genrec.errors import DataError
from genrec.experiments.ab_result import ABResult, Difference
from genrec.experiments.assignment import Experiment
from genrec.experiments.columns import ARM, id_codes, numbers, to_frame
from genrec.experiments.confidence import (
    ALPHA,
    MIN_EFFECTIVE_USERS,
    Interval,
    effective_users,
    mixture_interval,
    user_mean,
)
from genrec.experiments.metrics import USER, Metric
from genrec.experiments.sample_ratio import sample_ratio_p
from genrec.frames.read import check_columns
from genrec.schema import USER_ID

EXPECTED_LIFT = 0.1
"""Relative difference that intervals are tightest for."""


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
    counts = np.array([len(groups.members[arm]) for arm in experiment.live_arms])
    # Of several arms any may err; a guardrail that errs only keeps an arm from winning.
    shared = alpha / (len(counts) - 1)
    differences, *guarded = (
        _differences(experiment, each, groups, frame, shared, expected_lift)
        for each in (metric, *guardrails)
    )
    return ABResult(
        experiment=experiment.name,
        control=experiment.control,
        users=dict(zip(experiment.live_arms, counts.tolist(), strict=True)),
        crossed_users=groups.num_crossed,
        dropped_users=groups.num_dropped,
        sample_ratio_p=sample_ratio_p(counts, np.array(list(experiment.shares.values()))),
        differences=differences,
        guardrails=tuple(difference for found in guarded for difference in found),
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


def _differences(
    experiment: Experiment,
    metric: Metric,
    groups: _Groups,
    frame: nw.DataFrame[Any],
    alpha: float,
    expected_lift: float,
) -> tuple[Difference, ...]:
    """Compare every live arm with the control in one metric."""
    tops, bottoms = _sum_by_user(metric, groups, frame)
    sums = {}
    for arm in experiment.live_arms:
        members = groups.members[arm]
        sums[arm] = tops[members], bottoms[members]
        if not bottoms[members].any():
            raise DataError(f"exposures.{metric.per} is 0 for all users of arm '{arm}'")
    means = {arm: user_mean(*both) for arm, both in sums.items()}
    control = experiment.control
    return tuple(
        Difference(
            metric,
            arm,
            means[control].value,
            means[arm].value,
            _compare(sums[control], sums[arm], alpha, expected_lift),
        )
        for arm in experiment.live_arms[1:]
    )


def _sum_by_user(
    metric: Metric, groups: _Groups, frame: nw.DataFrame[Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a metric sums and what it divides by, for each user. Shape: (U,) each."""
    rows = groups.row_users
    tops = np.bincount(rows, numbers(frame, metric.name, "exposures"))
    if metric.per == USER:
        return tops, np.ones(len(tops))
    if metric.column_below is None:
        return tops, np.bincount(rows).astype(float)
    return tops, np.bincount(rows, numbers(frame, metric.column_below, "exposures", low=0))


def _compare(
    control: tuple[np.ndarray, np.ndarray],
    arm: tuple[np.ndarray, np.ndarray],
    alpha: float,
    expected_lift: float,
) -> Interval:
    """Return the interval of arm minus control, each given as what is summed and divided by."""
    left, right = user_mean(*control), user_mean(*arm)
    difference = right.value - left.value
    tops, bottoms = (np.concatenate(both) for both in zip(control, arm, strict=True))
    smaller = min(left.num_users, right.num_users) / len(tops)
    # Not by the smaller arm's own sums: an arm that gets nothing at all must be able to lose.
    if effective_users(tops) * smaller < MIN_EFFECTIVE_USERS:
        return Interval(difference, -math.inf, math.inf)
    scale = expected_lift * abs(tops.sum() / bottoms.sum())
    return mixture_interval(difference, left.variance + right.variance, scale, alpha)
