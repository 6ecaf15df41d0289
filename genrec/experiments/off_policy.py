"""What a policy would have earned, from the log of another one.

Enters: ``LoggedLists``. Leaves: estimates of the target policy's mean reward of a list, with 95%
intervals over users, and warnings where the log cannot tell. Unlike an experiment's, these
intervals are for one look.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text
from scipy.special import gammaincinv, stdtrit

from genrec.errors import DataError
from genrec.experiments.confidence import Interval, effective_users, user_mean
from genrec.experiments.logged import LoggedLists

LEVEL = 0.95
MIN_EFFECTIVE = 100
"""Effective lists below which a warning is given."""
_MANY_ERRORS = 4


@dataclass(frozen=True)
class Estimate:
    """An estimate of the target policy's mean reward of a list.

    Attributes:
        name: Of the estimator.
        interval: Estimate and 95% interval.
    """

    name: str
    interval: Interval


def ips(log: LoggedLists) -> Estimate:
    """Inverse propensity scoring: rewards weighted by the ratio of the whole list's probabilities.

    Without bias, where the log's policy may show whatever the target may.

    Source:
        Horvitz and Thompson (1952); Li et al., arXiv 1003.5956.
    """
    weights, rewards = log.weights[:, -1:], log.rewards.sum(axis=1, keepdims=True)
    earned, apart = weights * rewards, _variance_apart(weights, rewards)
    return _estimate("IPS", log, earned, np.ones_like(earned), earned, apart)


def snips(log: LoggedLists) -> Estimate:
    """Self-normalised IPS: divided by the mean weight. A little bias, mostly far less variance.

    Raises:
        DataError: No logged list is possible under the target policy.

    Source:
        Swaminathan and Joachims, The self-normalized estimator for counterfactual learning,
        NeurIPS 2015.
    """
    weights = _possible(log.weights)[:, -1:]
    rewards = log.rewards.sum(axis=1, keepdims=True)
    earned, mean = weights * rewards, weights.mean()
    apart = _variance_apart(weights / mean, rewards - rewards.mean())
    return _estimate("SNIPS", log, earned, weights, earned / mean, apart)


def cascade(log: LoggedLists) -> Estimate:
    """Reward interaction IPS (RIPS): a rank's reward is weighted by the list down to that rank.

    For users who read from the top: what stands below cannot change what happens above. Every
    rank is self-normalised. Equals ``snips`` for lists of one.

    Raises:
        DataError: No logged list is possible under the target policy.

    Source:
        McInerney et al., Counterfactual evaluation of slate recommendations with sequential reward
        interactions, KDD 2020, arXiv 2007.12986.
    """
    weights = _possible(log.weights)
    earned, means = weights * log.rewards, weights.mean(axis=0)
    apart = _variance_apart(weights / means, log.rewards - log.rewards.mean(axis=0))
    return _estimate("cascade", log, earned, weights, earned / means, apart)


def doubly_robust(log: LoggedLists) -> Estimate:
    """A reward model's answer, corrected by the weighted errors it makes on the log.

    Without bias if either the propensities or the model is right. Fit the model on other rows.

    Raises:
        DataError: The log has no predictions.

    Source:
        Dudik, Langford and Li, Doubly robust policy evaluation and learning, arXiv 1103.4601.
    """
    if log.predicted is None or log.expected is None:
        raise DataError("log has no columns 'predicted' and 'expected', which doubly robust needs")
    weights, rewards = log.weights[:, -1:], log.rewards.sum(axis=1, keepdims=True)
    faults = rewards - log.predicted[:, None]
    values, apart = log.expected[:, None] + weights * faults, _variance_apart(weights, faults)
    return _estimate("doubly robust", log, values, np.ones_like(values), weights * rewards, apart)


def _possible(weights: np.ndarray) -> np.ndarray:
    """Return the weights, if at every rank some list is possible under the target policy."""
    impossible = ~weights.any(axis=0)
    if impossible.any():
        raise DataError(
            "no logged list is possible under the target policy down to rank "
            f"{int(np.argmax(impossible)) + 1}; the log says nothing about it: compare shorter "
            "lists, or explore more"
        )
    return weights


def _estimate(
    name: str,
    log: LoggedLists,
    numerators: np.ndarray,
    denominators: np.ndarray,
    earned: np.ndarray,
    apart: float,
) -> Estimate:
    """Put an interval around a sum of ratios of sums over lists.

    Sums of few weighted clicks are skewed: for rewards that are never negative the interval is that
    of a gamma distribution, whose upper end allows for one more list like the one that weighs most.
    It is exact for equal weights and rare clicks. Other rewards get Student's interval.

    Where by chance the heaviest lists earned nothing, both the estimate and its own variance are
    too small. So the upper end reaches at least as far, in standard deviations, as if rewards had
    nothing to do with weights.

    Source:
        Fay and Feuer, Confidence intervals for directly standardized rates, Statistics in Medicine
        1997. Differs: the largest weight is that of the lists that earned anything.

    Args:
        name: Of the estimator.
        log: Whose users are drawn at random.
        numerators: Shape: (N, K).
        denominators: Shape: (N, K).
        earned: Weighted rewards, whose mean the estimate is but for a model. Shape: (N, K).
        apart: See ``_variance_apart``.
    """
    mean = user_mean(_by_user(log, numerators), _by_user(log, denominators))
    value, variance = mean.value, mean.variance
    if math.isinf(variance):
        return Estimate(name, Interval(value, -math.inf, math.inf))
    if log.rewards.min() < 0 or value < 0:
        quantile = float(stdtrit(mean.num_users - 1, (1 + LEVEL) / 2))
        reach = quantile * math.sqrt(variance)
        return Estimate(name, Interval(value, value - reach, value + reach))
    if value == 0:
        # The log holds no reward where the target policy goes: its size is unknown.
        return Estimate(name, Interval(0.0, 0.0, math.inf))
    one_more = float(earned.sum(axis=1).max()) / len(earned)
    low = _gamma_quantile((1 - LEVEL) / 2, value, variance)
    own = variance + one_more**2
    wider = max(own, apart * _effect_of_users(variance, numerators, denominators) + one_more**2)
    # A gamma distribution of a much greater variance would have its quantiles at 0.
    reach = _gamma_quantile((1 + LEVEL) / 2, value + one_more, own) - (value + one_more)
    high = value + one_more + (reach * math.sqrt(wider / own) if own else 0.0)
    return Estimate(name, Interval(value, low, high))


def _variance_apart(weights: np.ndarray, rewards: np.ndarray) -> float:
    """Return the variance of the mean of weighted rewards that have nothing to do with weights.

    Args:
        weights: Shape: (N, K).
        rewards: Of self-normalised estimates less their mean. Shape: (N, K).
    """
    squares = (weights**2).mean(axis=0) * (rewards**2).mean(axis=0)
    spread = squares - (weights.mean(axis=0) * rewards.mean(axis=0)) ** 2
    return float(spread.sum()) / len(weights)


def _effect_of_users(variance: float, numerators: np.ndarray, denominators: np.ndarray) -> float:
    """Return how much greater a variance over users is than it would be over lists."""
    sums = denominators.sum(axis=0)
    values = numerators.sum(axis=0) / sums
    errors = ((numerators - denominators * values) / sums).sum(axis=1)
    over_lists = float(errors @ errors)
    return variance / over_lists if over_lists else 1.0


def _by_user(log: LoggedLists, values: np.ndarray) -> np.ndarray:
    """Return the sums of each user's lists. Shape: (U, K)."""
    _, users = np.unique(log.users, return_inverse=True)
    return np.stack([np.bincount(users, column) for column in values.T], axis=1)


def _gamma_quantile(chance: float, mean: float, variance: float) -> float:
    """Return a quantile of the gamma distribution with this mean and variance."""
    if variance == 0:
        return mean
    return float(gammaincinv(mean**2 / variance, chance)) * variance / mean


@dataclass(frozen=True)
class OffPolicyReport:
    """All estimates that a log allows.

    Attributes:
        num_lists: Lists in the log.
        num_users: Users who saw them.
        logged: Mean reward of a list under the policy that showed it.
        mean_weight: Of whole lists; 1 but for chance, where the log covers the target policy.
        effective_lists: As many lists of the target policy's own would tell as much (Kish).
        estimates: One for each estimator.
        warnings: Why not to trust them, in words.
    """

    num_lists: int
    num_users: int
    logged: Interval
    mean_weight: float
    effective_lists: float
    estimates: tuple[Estimate, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; an end that is not known is None."""
        return {
            "num_lists": self.num_lists,
            "num_users": self.num_users,
            "logged": _ends(self.logged),
            "mean_weight": self.mean_weight,
            "effective_lists": self.effective_lists,
            "estimates": {each.name: _ends(each.interval) for each in self.estimates},
            "warnings": list(self.warnings),
        }

    def table(self) -> Table:
        """Lay out the estimates beside what was logged."""
        lines = [
            f"{self.num_lists:,} lists of {self.num_users:,} users, worth "
            f"{self.effective_lists:,.0f} of the target policy's own; mean weight "
            f"{self.mean_weight:.3g}",
            *(f"careful: {warning}" for warning in self.warnings),
        ]
        table = Table(
            title="What the target policy would have earned",
            caption=Text("\n".join(lines)),
            title_justify="left",
            caption_justify="left",
        )
        table.add_column("")
        table.add_column("reward of a list", justify="right")
        table.add_column(f"{LEVEL:.0%} interval", justify="right")
        logged = Estimate("as logged", self.logged)
        for each in (logged, *self.estimates):
            low, high = each.interval.low, each.interval.high
            table.add_row(each.name, f"{each.interval.value:.4g}", f"{low:.4g} to {high:.4g}")
        return table


def evaluate_policy(log: Any) -> OffPolicyReport:
    """Estimate what the target policy of a log would have earned, in every way the log allows.

    Args:
        log: See ``LoggedLists.from_frame``.

    Raises:
        DataError: The log cannot be used.
    """
    lists = LoggedLists.from_frame(log)
    estimators = [ips, snips]
    if lists.rewards.shape[1] > 1:
        estimators.append(cascade)
    if lists.predicted is not None:
        estimators.append(doubly_robust)
    as_logged = LoggedLists(lists.rewards, np.ones_like(lists.ratios), lists.users)
    weights = lists.weights[:, -1]
    effective = effective_users(weights)
    return OffPolicyReport(
        num_lists=len(weights),
        num_users=len(np.unique(lists.users)),
        logged=ips(as_logged).interval,
        mean_weight=float(weights.mean()),
        effective_lists=effective,
        estimates=tuple(estimator(lists) for estimator in estimators),
        warnings=_warn(weights, effective),
    )


def _warn(weights: np.ndarray, effective: float) -> tuple[str, ...]:
    warnings = []
    error = float(weights.std()) / math.sqrt(len(weights))
    if abs(weights.mean() - 1) > max(_MANY_ERRORS * error, 1e-6):
        warnings.append(
            f"the mean weight is {weights.mean():.3g}, not 1: the log's policy could not show all "
            "that the target shows, or propensities are not those it was shown with"
        )
    if effective < MIN_EFFECTIVE:
        warnings.append(
            f"the log is worth {effective:.0f} lists of the target policy's own, so that its "
            "intervals may be too short; explore more, or compare policies that are closer"
        )
    return tuple(warnings)


def _ends(interval: Interval) -> dict[str, float | None]:
    return {
        "value": interval.value,
        "low": interval.low if math.isfinite(interval.low) else None,
        "high": interval.high if math.isfinite(interval.high) else None,
    }
