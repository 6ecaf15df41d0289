"""What an update chooses: planted settings, better or worse on newer and older events."""

import numpy as np
import pytest

from genrec.training.choice import Watched

USERS = 200


def reached(mean, luck=0):
    """NDCG of users who differ much from each other, and little from one setting to another."""
    of_users = np.random.default_rng(0).uniform(-0.3, 0.3, USERS)
    return mean + of_users + np.random.default_rng(luck).normal(0, 0.02, USERS)


@pytest.mark.parametrize(
    ("newest", "older", "chosen"),
    [
        ((0.5, 0.6, 0.7), (0.5, 0.5, 0.5), 2),  # the best on the newest
        ((0.5, 0.6, 0.7), (0.5, 0.5, 0.4), 1),  # unless it costs too much on older ones
        ((0.5, 0.6, 0.7), (0.4, 0.45, 0.3), 0),  # where all cost too much, the present one
        ((0.7, 0.6, 0.5), (0.5, 0.5, 0.5), 0),
    ],
)
def test_the_best_of_those_that_keep_what_is_known(newest, older, chosen):
    watched = Watched(reached(0.5), margin=0.05)
    found = [[reached(mean, n) for n, mean in enumerate(means, 1)] for means in (newest, older)]
    assert watched.choose(*found) == chosen


def test_what_serves_stays_unless_another_leads_by_more_than_chance():
    watched = Watched(reached(0.5), 0.05)
    rng = np.random.default_rng(3)
    older = [reached(0.5)] * 2
    present = rng.uniform(0, 1, USERS)
    by_luck = present + rng.normal(0, 0.5, USERS)
    by_luck += 0.05 - np.mean(by_luck - present)
    assert watched.choose([present, by_luck], older) == 0
    assert watched.choose([present, present + 0.01], older) == 1


@pytest.mark.parametrize("margin", [0.0, 0.5])
def test_without_questions_all_stays_as_it_is(margin):
    nothing = np.zeros(0)
    alike = [reached(0.5), reached(0.5)]
    assert Watched(nothing, margin).choose([nothing, nothing], [nothing, nothing]) == 0
    assert Watched(nothing, margin).choose(alike, [nothing, nothing]) == 0
    assert Watched(reached(0.9), margin).choose([nothing] * 2, [reached(0.9), reached(0.2)]) == 0
