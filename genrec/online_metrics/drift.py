"""How far a distribution lies from another one, and how far chance alone would take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

CONFIDENCE = 0.95
SCORE_BINS = 10
_PRIOR = 0.5
"""Added to each count: a bin that is empty on one side is no infinite drift."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A population stability index.

    Attributes:
        psi: 0: no drift; above 0.25 is commonly called a large one.
        noise: What it stays below in 95 of 100 samples of these sizes without any drift.
    """

    psi: float
    noise: float


def population_stability(expected: np.ndarray, actual: np.ndarray) -> Drift | None:
    """Return the population stability index of two histograms.

    Args:
        expected: Counts of the reference. Shape: (bins,).
        actual: Counts of now, in the same bins. Shape: (bins,).

    Returns:
        None where either side is empty.

    Source:
        Yurdakul, Statistical properties of population stability index (2018): without drift
        PSI / (1/n + 1/m) is chi-squared with bins - 1 degrees of freedom.

    Examples:
        >>> population_stability(np.array([50, 50]), np.array([50, 50])).psi
        0.0
    """
    used = (expected + actual) > 0
    bins = int(used.sum())
    total, now = float(expected.sum()), float(actual.sum())
    if not total or not now:
        return None
    p = (expected[used] + _PRIOR) / (total + _PRIOR * bins)
    q = (actual[used] + _PRIOR) / (now + _PRIOR * bins)
    psi = float(((q - p) * np.log(q / p)).sum())
    quantile = 2 * float(gammaincinv((bins - 1) / 2, CONFIDENCE)) if bins > 1 else 0.0
    return Drift(psi, quantile * (1 / total + 1 / now))


def code_drift(expected: Mapping[int, int], actual: Mapping[int, int]) -> Drift | None:
    """Return how far the events of now lie from those of training, by first code."""
    codes = sorted({*expected, *actual})
    counts = [np.array([side.get(code, 0) for code in codes]) for side in (expected, actual)]
    return population_stability(*counts)


def score_drift(expected: np.ndarray, actual: np.ndarray) -> Drift | None:
    """Return how far the scores of now lie from earlier ones, by the tenths of the earlier ones.

    Args:
        expected: Earlier scores. Shape: (n,).
        actual: Scores of now. Shape: (m,).
    """
    if not len(expected) or not len(actual):
        return None
    inner = np.unique(np.quantile(expected, np.arange(1, SCORE_BINS) / SCORE_BINS))
    before, now = (
        np.bincount(np.searchsorted(inner, side, side="right"), minlength=len(inner) + 1)
        for side in (expected, actual)
    )
    return population_stability(before, now)
