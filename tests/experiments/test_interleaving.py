import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec.experiments import Interleaved, judge, team_draft

RANKINGS = st.permutations(range(8)).map(lambda items: items[:5])


@settings(deadline=None)
@given(RANKINGS, RANKINGS, st.integers(1, 12), st.integers(0, 1000))
def test_each_ranking_puts_its_best_item_that_is_not_there_yet(first, second, k, seed):
    mixed = team_draft(first, second, k, np.random.default_rng(seed))
    assert len(mixed.items) == min(k, len({*first, *second}))
    above = []
    for item, team in zip(mixed.items, mixed.teams, strict=True):
        ranking = first if team == "first" else second
        assert item == next(each for each in ranking if each not in above)
        above.append(item)


@settings(deadline=None)
@given(RANKINGS, RANKINGS, st.integers(0, 1000))
def test_the_teams_grow_together(first, second, seed):
    teams = team_draft(first, second, 5, np.random.default_rng(seed)).teams
    for length in range(0, 5, 2):
        assert teams[:length].count("first") == length // 2


def test_clicks_that_heed_nothing_but_the_rank_prefer_nobody():
    rng = np.random.default_rng(0)
    credits = []
    for _ in range(5000):
        mixed = team_draft("abcdef", "dcafeb", 5, rng)
        clicked = {mixed.items[rank] for rank in range(5) if rng.random() < 0.5 / (rank + 1)}
        credits.append(mixed.credit(clicked))
    assert abs(np.mean(credits)) < 4 * np.std(credits) / np.sqrt(len(credits))


def test_the_team_with_more_clicks_gets_the_credit():
    mixed = Interleaved(tuple("abcd"), ("first", "second", "second", "first"))
    assert mixed.credit("a") == 1
    assert mixed.credit("bc") == -1
    assert mixed.credit("ab") == mixed.credit("") == mixed.credit("xyz") == 0
    assert mixed.credit(["a", "a", "b", "c"]) == -1


@pytest.mark.parametrize(("mean", "winner"), [(0.2, "first"), (-0.2, "second"), (0.0, None)])
def test_a_planted_preference_is_found(mean, winner):
    rng = np.random.default_rng(0)
    credit = rng.choice([1, -1, 0], p=[0.3 + mean / 2, 0.3 - mean / 2, 0.4], size=2000)
    lists = pd.DataFrame({"user_id": np.arange(2000) // 2, "credit": credit})
    found = judge(lists)
    assert found.winner == winner
    assert found.interval.low < mean < found.interval.high
    assert (found.num_lists, found.num_users) == (2000, 1000)
    assert found.to_json()["winner"] == winner


def test_one_user_is_one_voice():
    """A user who repeats themselves a thousand times does not make a preference."""
    users = [f"user-{number}" for number in range(150)]
    lists = pd.DataFrame({"user_id": users + ["loud"] * 2000, "credit": [0] * 150 + [1] * 2000})
    assert judge(lists).winner is None


def test_few_users_decide_nothing():
    found = judge(pd.DataFrame({"user_id": list("abc"), "credit": [1, 1, 1]}))
    assert found.winner is None and found.to_json()["low"] is None


@pytest.mark.parametrize("credit", [[0, 2], [0, None], ["a", "b"]])
def test_unusable_credits_are_refused(credit):
    with pytest.raises(DataError, match="credit"):
        judge(pd.DataFrame({"user_id": ["a", "b"], "credit": credit}))
