from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from scipy.stats import chi2

from genrec.errors import DataError
from genrec.experiments import (
    LoggedLists,
    cascade,
    doubly_robust,
    evaluate_policy,
    ips,
    propensities,
    snips,
)

ITEMS, OLD, NEW = "abc", "abc", "cab"
CHANCES = {"a": 0.1, "b": 0.4, "c": 0.7}


def clicks(shown):
    """Expected clicks by rank: a click on an item keeps half of those who read on."""
    reached = 1.0
    for item in shown:
        yield reached * CHANCES[item]
        reached *= 1 - CHANCES[item] / 2


def population(length):
    """Return a log in which each list stands exactly as often as the old policy shows it.

    An estimator without bias then gives the truth itself.
    """
    rows = []
    for number, shown in enumerate(permutations(ITEMS, length)):
        old, new = propensities(shown, OLD, 0.5), propensities(shown, NEW, 0.5)
        for copy in range(round(24 * np.prod(old))):
            for rank, reward in enumerate(clicks(shown)):
                rows.append(
                    {
                        "recommendation_id": f"{number}-{copy}",
                        "rank": rank + 1,
                        "item": shown[rank],
                        "propensity": old[rank],
                        "target_propensity": new[rank],
                        "reward": reward,
                    }
                )
    return pd.DataFrame(rows)


def truth(length):
    """Return what the new policy earns, over every list that it may show."""
    return sum(
        np.prod(propensities(shown, NEW, 0.5)) * sum(clicks(shown))
        for shown in permutations(ITEMS, length)
    )


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("estimator", [ips, snips, cascade])
def test_over_all_lists_the_estimate_is_the_truth(estimator, length):
    lists = LoggedLists.from_frame(population(length))
    assert len(lists.rewards) == 24
    assert estimator(lists).interval.value == pytest.approx(truth(length))


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3))
def test_doubly_robust_is_the_truth_with_any_model(model):
    guesses = dict(zip(ITEMS, model, strict=True))
    log = population(1)
    log = log.drop(columns=["recommendation_id", "rank"]).assign(
        predicted=log["item"].map(guesses),
        expected=sum(propensities([item], NEW, 0.5)[0] * guesses[item] for item in ITEMS),
    )
    lists = LoggedLists.from_frame(log)
    assert doubly_robust(lists).interval.value == pytest.approx(truth(1))


def test_doubly_robust_is_the_truth_with_wrong_propensities_and_the_right_model():
    log = population(1).drop(columns=["recommendation_id", "rank"])
    log = log.assign(propensity=0.9, predicted=log["item"].map(CHANCES), expected=truth(1))
    assert doubly_robust(LoggedLists.from_frame(log)).interval.value == pytest.approx(truth(1))
    assert ips(LoggedLists.from_frame(log)).interval.value != pytest.approx(truth(1), rel=0.1)


def draw(rewards, seed=0, users=None):
    rng = np.random.default_rng(seed)
    frame = {
        "reward": rewards,
        "propensity": rng.uniform(0.1, 1, len(rewards)),
        "target_propensity": rng.uniform(0, 1, len(rewards)),
    }
    return pd.DataFrame(frame if users is None else {**frame, "user_id": users})


REWARDS = st.lists(st.floats(-2, 2), min_size=3, max_size=30)


@settings(deadline=None)
@given(REWARDS, st.integers(0, 99))
def test_for_single_items_the_cascade_is_snips(rewards, seed):
    lists = LoggedLists.from_frame(draw(rewards, seed))
    assert cascade(lists).interval == snips(lists).interval


@settings(deadline=None)
@given(REWARDS, st.floats(-5, 5), st.integers(0, 99))
def test_a_self_normalised_estimate_moves_with_the_rewards(rewards, shift, seed):
    here = snips(LoggedLists.from_frame(draw(rewards, seed))).interval.value
    there = snips(LoggedLists.from_frame(draw(np.array(rewards) + shift, seed))).interval.value
    assert there == pytest.approx(here + shift)


@settings(deadline=None)
@given(REWARDS, st.integers(0, 99))
def test_what_a_user_repeats_tells_nothing_new(rewards, seed):
    """The user is what is drawn at random: doubled rows leave the interval as it was."""
    once = draw([*rewards, -1.0], seed, users=range(len(rewards) + 1))
    twice = pd.concat([once, once])
    for estimator in (ips, snips):
        one, two = (estimator(LoggedLists.from_frame(log)).interval for log in (once, twice))
        assert (two.low, two.high) == pytest.approx((one.low, one.high))


def test_with_equal_weights_the_interval_of_rare_clicks_is_the_exact_one_of_poisson():
    rewards = np.zeros(100_000)
    rewards[:7] = 1
    log = pd.DataFrame({"reward": rewards, "propensity": 0.5, "target_propensity": 0.5})
    for estimator in (ips, snips):
        interval = estimator(LoggedLists.from_frame(log)).interval
        exact = chi2.ppf([0.025, 0.975], [14, 16]) / 2 / len(rewards)
        assert (interval.low, interval.high) == pytest.approx(tuple(exact), rel=1e-3)


def test_where_the_target_never_earned_the_upper_end_is_open():
    log = pd.DataFrame({"reward": [0] * 50, "propensity": 0.5, "target_propensity": 0.5})
    report = evaluate_policy(log)
    assert report.to_json()["estimates"]["IPS"] == {"value": 0.0, "low": 0.0, "high": None}


def test_shorter_lists_end_without_reward():
    log = population(2)
    single = log["recommendation_id"] == log["recommendation_id"][0]
    lists = LoggedLists.from_frame(log[~single | (log["rank"] == 1)])
    assert lists.rewards[0, 1] == 0 and lists.ratios[0, 1] == 1


def test_the_order_of_the_rows_does_not_matter():
    log = population(3)
    shuffled = evaluate_policy(log.sample(frac=1, random_state=0))
    for one, other in zip(evaluate_policy(log).estimates, shuffled.estimates, strict=True):
        assert one.interval.low == pytest.approx(other.interval.low)


def test_a_log_that_cannot_tell_says_so():
    rng = np.random.default_rng(0)
    missing = evaluate_policy(draw(rng.random(500)).assign(target_propensity=0.05))
    assert any("mean weight" in warning for warning in missing.warnings)
    far = evaluate_policy(draw(rng.random(50)))
    assert any("worth" in warning for warning in far.warnings)
    Console(width=100).print(far.table())
    same = draw(rng.random(500))
    assert evaluate_policy(same.assign(target_propensity=same["propensity"])).warnings == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"propensity": [0.5, 0.0]}, r"propensity\[1\] is 0.*impossible"),
        ({"propensity": [1.5, 0.5]}, r"propensity\[0\] is 1.5.*at most 1"),
        ({"propensity": [-0.5, 0.5]}, r"propensity\[0\].*at least 0"),
        ({"target_propensity": [0.5, 1.01]}, "at most 1"),
        ({"target_propensity": [0.0, 0.0]}, "no logged list is possible.*rank 1"),
        ({"reward": [1.0, np.nan]}, r"reward\[1\] is nan"),
        ({"reward": [np.inf, 0.0]}, r"reward\[0\] is inf"),
        ({"reward": ["yes", "no"]}, "does not hold numbers"),
        ({"predicted": [0.1, 0.1]}, "no column 'expected'"),
        ({"rank": [1, 2]}, "no column 'recommendation_id'"),
        ({"recommendation_id": ["x", "x"]}, "no column 'rank'"),
        ({"recommendation_id": ["x", "x"], "rank": [1, 3]}, r"rank\[1\] is 3.*without a gap"),
        ({"recommendation_id": ["x", "x"], "rank": [1, 1]}, "each once"),
        ({"recommendation_id": ["x", "x"], "rank": [0, 1]}, "at least 1"),
        ({"recommendation_id": ["x", "x"], "rank": [1, 1.5]}, "whole numbers"),
        (
            {"recommendation_id": ["x", "x"], "rank": [1, 2], "user_id": ["a", "b"]},
            "'x' has several users",
        ),
    ],
)
def test_unusable_logs_are_refused(change, message):
    log = {"reward": [1.0, 0.0], "propensity": [0.5, 0.5], "target_propensity": [0.5, 0.5]}
    with pytest.raises(DataError, match=message):
        evaluate_policy(pd.DataFrame({**log, **change}))


def test_doubly_robust_needs_a_model():
    with pytest.raises(DataError, match="predicted"):
        doubly_robust(LoggedLists.from_frame(draw([1.0, 0.0])))


def test_heavy_lists_that_earned_nothing_by_chance_do_not_narrow_the_interval():
    """Half of what the target shows is eight rows of the log, which nobody clicked."""
    rows, heavy = np.arange(2000), 8
    target = np.where(rows < heavy, 125.0, 0.5) / 200
    log = pd.DataFrame(
        {"reward": (rows >= heavy) & (rows % 5 == 0), "propensity": 1 / 200, "user_id": rows}
    ).assign(target_propensity=target)
    for estimator in (ips, snips):
        interval = estimator(LoggedLists.from_frame(log)).interval
        assert interval.value == pytest.approx(0.1, abs=0.01) and interval.low < 0.1
        assert interval.high > 0.2  # what is earned wherever rewards are known
