"""The decision rule, held against a few lines of it written anew."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.evaluate.bootstrap import Interval
from genrec.updates.config import UpdateConfig
from genrec.updates.verdict import Slice, judge

CONFIG = UpdateConfig()
SHARES = st.floats(0.0, 1.0, allow_subnormal=False)


@st.composite
def slices(draw):
    low, mean, high = sorted(draw(st.tuples(*[st.floats(-0.5, 0.5)] * 3)))
    old = draw(SHARES)
    return Slice(draw(st.integers(1, 100)), old, old + mean, Interval(mean, low, high))


@given(slices(), slices())
def test_it_promotes_what_is_better_and_nowhere_worse_and_nothing_else(newest, older):
    expected = (
        min(newest.users, older.users) >= CONFIG.fewest_users
        and newest.old >= CONFIG.break_share * older.old
        and older.lead.low > -CONFIG.margin * older.old
        and newest.lead.low > 0
    )
    judgement = judge(newest, older, CONFIG)
    assert judgement.promote == expected and judgement.reason


@given(st.lists(SHARES, min_size=30, max_size=60), st.integers(0, 9))
def test_who_answers_alike_is_never_promoted(values, seed):
    old = np.array(values)
    alike = Slice.of(old, old, 0.95, seed)
    assert alike.lead == Interval(0, 0, 0)
    assert not judge(alike, alike, CONFIG).promote


def metrics(mean, size=400, seed=0):
    return np.random.default_rng(seed).binomial(1, mean, size).astype(float)


@pytest.mark.parametrize(
    ("newest", "older", "promote", "said"),
    [
        ((0.3, 0.5), (0.3, 0.3), True, "better on the newest"),
        ((0.3, 0.3), (0.3, 0.3), False, "not clearly better"),
        ((0.3, 0.5), (0.3, 0.2), False, "worse on older"),
        ((0.05, 0.5), (0.3, 0.4), False, "the data broke"),
    ],
)
def test_the_reason_names_what_decided(newest, older, promote, said):
    halves = [
        Slice.of(metrics(old, seed=1), metrics(new, seed=1), 0.95) for old, new in (newest, older)
    ]
    judgement = judge(*halves, CONFIG)
    assert judgement.promote == promote and said in judgement.reason


def test_few_users_cannot_judge():
    enough, few = (Slice.of(metrics(0.2, size), metrics(0.9, size), 0.95) for size in (50, 29))
    for pair in ((few, enough), (enough, few)):
        judgement = judge(*pair, CONFIG)
        assert not judgement.promote and "29 users cannot judge" in judgement.reason
