"""Bootstrap intervals of means over users: how far chance in the choice of users could reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

NUM_RESAMPLES = 1000
LEVEL = 0.95
_RESAMPLES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over users with its percentile bootstrap interval.

    Attributes:
        mean: Of the users at hand.
        low: Lower end of the interval, 95% where nothing else is said.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


def intervals(
    values: Mapping[str, np.ndarray], seed: int = 0, level: float = LEVEL
) -> dict[str, Interval]:
    """Return the interval of each metric's mean; all share the same resamples of users.

    Args:
        values: One number per user, by metric. Shape: (U,) each, U at least 1.
        seed: Of the resampling.
        level: How often the interval is to hold.
    """
    table = np.stack([np.asarray(array, dtype=float) for array in values.values()], axis=1)
    means = _resampled_means(table, seed)
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {
        name: Interval(float(table[:, place].mean()), *map(float, ends[:, place]))
        for place, name in enumerate(values)
    }


def paired_difference(
    first: np.ndarray, second: np.ndarray, seed: int = 0, level: float = LEVEL
) -> Interval:
    """Return the interval of the mean of ``first - second`` over the same users.

    An interval without 0 means that one is better beyond the luck of who was asked.

    Args:
        first: One number per user. Shape: (U,).
        second: The same users in the same order. Shape: (U,).
        seed: Of the resampling.
        level: How often the interval is to hold.
    """
    difference = np.asarray(first) - np.asarray(second)
    return intervals({"difference": difference}, seed, level)["difference"]


def _resampled_means(table: np.ndarray, seed: int) -> np.ndarray:
    """Return the column means of every resample of the rows. Shape: (resamples, columns)."""
    rng = np.random.default_rng(seed)
    num_users = len(table)
    means = []
    for start in range(0, NUM_RESAMPLES, _RESAMPLES_AT_ONCE):
        size = min(_RESAMPLES_AT_ONCE, NUM_RESAMPLES - start)
        drawn = rng.integers(num_users, size=(size, num_users))
        # How often each user was drawn: a product then gives every metric's sum at once.
        drawn += np.arange(size)[:, None] * num_users
        counts = np.bincount(drawn.reshape(-1), minlength=size * num_users)
        means.append(counts.reshape(size, num_users) @ table / num_users)
    return np.concatenate(means)
