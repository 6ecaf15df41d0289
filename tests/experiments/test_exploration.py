from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec.experiments import explore, propensities

RATES = st.floats(0, 1)


@settings(deadline=None)
@given(RATES, st.integers(1, 4))
def test_the_probabilities_of_all_lists_add_up_to_one(rate, k):
    lists = permutations("dbac", k)
    assert sum(np.prod(propensities(each, "abcd", rate)) for each in lists) == pytest.approx(1)


@settings(deadline=None)
@given(RATES, st.integers(0, 1000))
def test_a_list_carries_its_own_probabilities(rate, seed):
    shown = explore("abcd", 3, rate, np.random.default_rng(seed))
    assert len(set(shown.items)) == 3
    assert shown.propensities == propensities(shown.items, "abcd", rate)
    assert min(shown.propensities) > 0


def test_lists_come_as_often_as_they_say():
    rng = np.random.default_rng(0)
    drawn = [explore("abc", 2, 0.5, rng).items for _ in range(20_000)]
    for items in permutations("abc", 2):
        share = np.prod(propensities(items, "abc", 0.5))
        error = 4 * np.sqrt(share * (1 - share) / len(drawn))
        assert drawn.count(items) / len(drawn) == pytest.approx(share, abs=error)


def test_no_exploration_is_the_ranking():
    assert explore("abcd", 3, 0.0, np.random.default_rng(0)).items == tuple("abc")


def test_what_is_no_candidate_is_never_shown():
    assert propensities(["x", "a"], "ab", 0.2) == (0.0, pytest.approx(0.9))


@pytest.mark.parametrize(
    ("ranking", "k", "rate"), [("ab", 3, 0.1), ("aba", 2, 0.1), ("abc", 0, 0.1), ("abc", 2, 1.1)]
)
def test_unusable_wishes_are_refused(ranking, k, rate):
    with pytest.raises(DataError):
        explore(ranking, k, rate, np.random.default_rng(0))
