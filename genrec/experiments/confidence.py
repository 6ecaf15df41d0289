"""Means whose unit is the user, and intervals that hold at every look.

Enters: one sum, or two, for each user. Leaves: means, differences and their confidence sequences.
Knows nothing of arms or of recommendations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

ALPHA = 0.05
"""Chance that a confidence sequence ever misses the truth."""
MIN_EFFECTIVE_USERS = 50
"""Of the smaller side: with fewer no interval is given, as sums are not yet nearly normal."""


@dataclass(frozen=True, slots=True)
class UserMean:
    """A ratio of two sums over users, such as clicks over exposures.

    Attributes:
        value: The ratio.
        variance: Of the value, over the choice of users.
        num_users: Users summed over.
    """

    value: float
    variance: float
    num_users: int


@dataclass(frozen=True, slots=True)
class Interval:
    """What a figure may be.

    Attributes:
        value: The estimate.
        low: Lower end; minus infinity while too little is known.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def is_above_zero(self) -> bool:
        """Whether 0 lies below the interval."""
        return self.low > 0

    @property
    def is_below_zero(self) -> bool:
        """Whether 0 lies above the interval."""
        return self.high < 0


def user_mean(numerators: np.ndarray, denominators: np.ndarray) -> UserMean:
    """Return a ratio of sums, and its variance by leaving out one user at a time (jackknife).

    A user's clicks go together, so what is drawn at random is the user, not the click. The delta
    method says nearly the same, but trusts a ratio that a single user makes.

    Args:
        numerators: A sum for each user, such as clicks; with several columns the ratios of the
            columns are added up. Shape: (U,) or (U, K).
        denominators: Such as exposures, or ones for the mean of users; sums above 0. Same shape.

    Source:
        Deng, Knoblich and Lu, Applying the delta method in metric analytics, arXiv 1803.06336;
        Efron and Stein, The jackknife estimate of variance, Annals of Statistics 1981.

    Examples:
        >>> user_mean(np.array([1.0, 0.0, 2.0]), np.array([2.0, 1.0, 3.0])).value
        0.5
    """
    num_users = len(numerators)
    tops, bottoms = numerators.reshape(num_users, -1), denominators.reshape(num_users, -1)
    top, bottom = tops.sum(axis=0), bottoms.sum(axis=0)
    value = float((top / bottom).sum())
    rest = bottom - bottoms
    if num_users < 2 or (rest <= 0).any():
        return UserMean(value, math.inf, num_users)
    errors = ((top - tops) / rest).sum(axis=1) - value
    variance = float(errors @ errors) * (num_users - 1) / num_users
    return UserMean(value, variance, num_users)


def effective_users(sums: np.ndarray) -> float:
    """Return how many users with equal sums would tell as much; users without any tell nothing.

    Args:
        sums: Of each user, such as clicks. Shape: (U,).

    Source:
        Kish, Survey Sampling (1965).

    Examples:
        >>> effective_users(np.array([2, 2, 0, 0]))
        2.0
    """
    squares = float(sums @ sums)
    return float(np.abs(sums).sum() ** 2 / squares) if squares else 0.0


def mixture_interval(value: float, variance: float, scale: float, alpha: float = ALPHA) -> Interval:
    """Return the asymptotic confidence sequence of a mean or a difference, as of now.

    It may be looked at as often as one likes and acted on at any look: the chance that the truth
    ever lies outside is at most ``alpha``. It is tightest where the truth is about ``scale`` away
    from 0 and no longer holds if ``scale`` is chosen by the data at hand.

    Users who come back add to their own sums. Where what they do later goes along with what they
    did before, the estimates of two looks are correlated at least as those of a Brownian motion
    are, and by Slepian's inequality each end is crossed no more often.

    Args:
        value: The estimate.
        variance: Of the estimate; falls as more is known.
        scale: Standard deviation of the normal mixture, in the units of ``value``; 0: unknown yet.
        alpha: Chance of ever missing the truth.

    Source:
        Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory and
        asymptotic confidence sequences, arXiv 2103.06476; the mixture is Robbins' (1970).
    """
    if scale <= 0 or math.isinf(variance):
        return Interval(value, -math.inf, math.inf)
    if variance == 0:
        return Interval(value, value, value)
    information = scale**2 / variance
    deviations = (1 + 1 / information) * (math.log1p(information) - 2 * math.log(alpha))
    radius = math.sqrt(variance * deviations)
    return Interval(value, value - radius, value + radius)
