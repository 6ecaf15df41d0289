import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from genrec.experiments.confidence import mixture_interval, user_mean


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20))
def test_a_mean_of_users_has_the_textbook_variance(values):
    mean = user_mean(np.array(values), np.ones(len(values)))
    assert mean.value == pytest.approx(np.mean(values))
    assert mean.variance == pytest.approx(np.var(values, ddof=1) / len(values))


def test_a_ratio_varies_over_users_as_its_variance_says():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        shown = rng.poisson(4, 300) + 1.0
        found.append(user_mean(rng.binomial(shown.astype(int), rng.beta(1, 4, 300)), shown))
    spread = np.std([mean.value for mean in found])
    assert np.mean([math.sqrt(mean.variance) for mean in found]) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 20.0])
def test_the_ends_are_where_the_mixture_of_likelihood_ratios_says_enough(ratio, alpha):
    """Oracle: the mixture integrated by number instead of by formula."""
    scale, variance = 0.7, 0.7**2 / ratio
    radius = mixture_interval(0.0, variance, scale, alpha).high

    def weighted(effect):
        likelihood_ratio = math.exp((effect * radius - effect**2 / 2) / variance)
        return likelihood_ratio * norm.pdf(effect, scale=scale)

    assert quad(weighted, -15, 15, points=[0, radius], limit=500)[0] == pytest.approx(1 / alpha)


def test_a_random_walk_that_is_watched_leaves_its_interval_seldom():
    steps = np.random.default_rng(0).normal(size=(2000, 1500))
    count = np.arange(1, 1501)
    means = steps.cumsum(axis=1) / count
    reach = np.array([mixture_interval(0.0, 1 / n, 0.2).high for n in count])
    assert (np.abs(means) > reach).any(axis=1).mean() <= 0.05
    # A test of 5% at every look would be wrong for most.
    assert (np.abs(means) > 1.96 / np.sqrt(count)).any(axis=1).mean() > 0.4


def test_what_is_not_known_yet_is_unbounded():
    interval = mixture_interval(0.0, 0.0, 0.0)
    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert not interval.is_above_zero and not interval.is_below_zero
