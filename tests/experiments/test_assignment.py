import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from genrec.errors import DataError, WrongTypeError
from genrec.experiments import Experiment, Exposure
from genrec.experiments.assignment import rescaled

USERS = [f"user-{number}" for number in range(20_000)]
WEIGHTS = st.floats(0.1, 10)


def test_an_assignment_is_the_same_in_every_version():
    """Else an upgrade would move users between the arms of a running experiment."""
    experiment = Experiment("fusion", {"old": 1, "new": 1, "newest": 0.5})
    assigned = experiment.assign_many(["ann", "bob", "cy", "dee", "Zoë", 7])
    assert assigned == ["new", "new", "new", "old", "old", "old"]


@pytest.mark.parametrize("weights", [(1, 1), (9, 1), (2, 3, 5)])
def test_arms_get_the_shares_of_their_weights(weights):
    experiment = Experiment("shares", {f"arm-{n}": weight for n, weight in enumerate(weights)})
    assigned = experiment.assign_many(USERS)
    counts = [assigned.count(arm) for arm in experiment.live_arms]
    expected = np.array(list(experiment.shares.values())) * len(USERS)
    assert chisquare(counts, expected).pvalue > 1e-4


def test_experiments_are_independent_of_each_other():
    one = Experiment("one", {"old": 1, "new": 1}).assign_many(USERS)
    other = Experiment("other", {"old": 1, "new": 1}).assign_many(USERS)
    table = np.zeros((2, 2))
    for left, right in zip(one, other, strict=True):
        table[left == "new", right == "new"] += 1
    assert chi2_contingency(table).pvalue > 1e-4


@settings(deadline=None)
@given(WEIGHTS, WEIGHTS, WEIGHTS, st.text(min_size=1, max_size=5))
def test_a_dropped_arm_moves_its_own_users_alone(old, new, dropped, name):
    before = Experiment(name, {"old": old, "new": new, "bad": dropped})
    after = Experiment(name, {"old": old, "new": new, "bad": 0})
    for user, arm in zip(USERS[:50], before.assign_many(USERS[:50]), strict=True):
        assert after.assign(user) == arm or arm == "bad"


def test_an_exposure_holds_the_arm_and_the_moment():
    experiment = Experiment("fusion", {"old": 1, "new": 1})
    exposure = experiment.expose(7, "2026-03-01")
    assert exposure == Exposure("fusion", "7", experiment.assign("7"), 1_772_323_200)


@pytest.mark.parametrize(
    ("name", "arms", "message"),
    [
        ("", {"old": 1, "new": 1}, "needs a name"),
        ("e", {"old": 1}, "has 1 arms"),
        ("e", {}, "has 0 arms"),
        ("e", {"old": 1, "new": 0}, "has 1 arms"),
        ("e", {"old": 0, "new": 1, "newer": 1}, "its control"),
        ("e", {"old": 1, "new": -1}, "new.*=-1"),
        ("e", {"old": 1, "new": float("nan")}, "new.*=nan"),
        ("e", {"old": 1, "new": float("inf")}, "new.*=inf"),
        ("e", {"old": 1, "new": 1e308}, r"new.*=1e\+308: give a weight from 1e-09 to 1e\+09"),
        ("e", {"old": 1, "new": 10**400}, r"new.*=1\.00e\+400"),
        ("e", {"old": 1, "new": 5e-324}, "new.*=4.94"),
    ],
)
def test_unusable_experiments_are_refused(name, arms, message):
    with pytest.raises(DataError, match=message):
        Experiment(name, arms)


@pytest.mark.parametrize(
    "weights", [(1e308, 1e308), (1e308, 5e-324), (1e10, 3e10, 0), (5e-324, 1), (10**300, 1)]
)
def test_weights_that_were_stored_before_there_were_bounds_are_brought_within_them(weights):
    arms = dict(zip("abc", weights, strict=False))
    experiment = Experiment("e", rescaled(arms))
    assert experiment.live_arms == tuple(arm for arm, weight in arms.items() if weight)
    for arm, share in experiment.shares.items():
        assert share == pytest.approx(
            arms[arm] / max(weights) / sum(w / max(weights) for w in weights), abs=1e-8
        )
        assert share > 0


def test_weights_within_their_bounds_are_left_alone():
    arms = {"old": 1e9, "new": 1e-9, "dropped": 0}
    assert rescaled(arms) is arms


@pytest.mark.parametrize("arms", [["old", "new"], {"old": 1, "new": "1"}, {"old": 1, "new": True}])
def test_wrong_types_are_refused(arms):
    with pytest.raises(WrongTypeError):
        Experiment("e", arms)
