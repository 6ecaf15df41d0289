import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, chisquare, dirichlet_multinomial, multinomial

from genrec.experiments.sample_ratio import CONCENTRATION, MISMATCH_P, sample_ratio_p

COUNTS = st.lists(st.integers(0, 3000), min_size=2, max_size=3).filter(sum)


@settings(deadline=None)
@given(COUNTS)
def test_it_is_one_over_the_bayes_factor_of_scipys_distributions(counts):
    shares = np.arange(1, len(counts) + 1) / np.arange(1, len(counts) + 1).sum()
    total = sum(counts)
    factor = dirichlet_multinomial.logpmf(counts, CONCENTRATION * shares, total)
    factor -= multinomial.logpmf(counts, total, shares)
    expected = min(1.0, np.exp(-factor))
    assert sample_ratio_p(np.array(counts), shares) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@settings(deadline=None)
@given(COUNTS)
def test_it_never_claims_more_than_a_test_for_a_single_look(counts):
    """Up to three arms, the likelihood ratio test's p-value is at most exp(-G/2)."""
    shares = np.full(len(counts), 1 / len(counts))
    expected = np.sum(counts) * shares
    seen = np.array(counts, dtype=float)
    logs = np.log(np.where(seen > 0, seen / expected, 1))
    single_look = chi2.sf(2 * (seen * logs).sum(), len(counts) - 1)
    assert sample_ratio_p(np.array(counts), shares) >= single_look * (1 - 1e-9)


def test_what_chi_square_is_sure_of_is_found():
    counts, shares = np.array([10_000, 10_800]), np.array([0.5, 0.5])
    assert chisquare(counts).pvalue < 1e-6
    assert sample_ratio_p(counts, shares) < MISMATCH_P


def test_sound_assignments_that_are_watched_are_seldom_refused():
    shares = np.array([0.8, 0.2])
    users = np.random.default_rng(0).random((1000, 4000)) < shares[1]
    refused = 0
    for run in users:
        totals = np.arange(50, 4001, 50)
        new = run.cumsum()[totals - 1]
        looks = np.stack([totals - new, new], axis=1)
        refused += any(sample_ratio_p(counts, shares) < MISMATCH_P for counts in looks)
    assert refused / len(users) <= MISMATCH_P
