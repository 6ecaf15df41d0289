"""Trends: planted cases by hand, and the toy world's planted truth."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn.metrics import f1_score

from genrec.data.toy import write_toy
from genrec.data.toy.world import ToyConfig
from genrec.interests.profile.trend import Timeline

DAY = 86_400
TIMELINE = Timeline([DAY * day for day in range(20)])


@pytest.mark.parametrize(
    ("places", "trend"),
    [
        ([14, 15, 17, 19], "emerging"),
        ([0, 1, 3, 4, 6], "fading"),
        ([0, 5, 10, 15, 19], "steady"),
        ([0, 1, 2, 3, 18, 19], "returned"),
        ([19], "emerging"),
        # A first meeting as late as this has p = 0.25 and p = 0.15 by chance.
        ([15], "steady"),
        ([17], "emerging"),
        (list(range(20)), "steady"),
        # Silence since then is as likely as not (p = 0.55), or a little less so (p = 0.40).
        ([2, 14], "steady"),
        ([0, 7, 14], "fading"),
    ],
)
def test_planted_trends(places, trend):
    assert TIMELINE.trend(places)[0] == trend


def test_the_longest_of_several_absences_is_judged_as_the_longest_of_several():
    """An absence of p = 0.003 is one of eight here; the longest of eight is that long with 0.02."""
    timeline = Timeline([DAY * day for day in range(60)])
    absence = hypergeom(60, 8, 29).pmf(0)
    assert absence < 0.01 < 7 * absence < 0.05
    assert timeline.trend([0, 1, 2, 3, 33, 35, 57, 58]) == ("steady", 1.0)
    trend, p_value = timeline.trend([0, 1, 2, 3, 36, 38, 57, 58])
    assert trend == "returned" and p_value == pytest.approx(7 * hypergeom(60, 8, 32).pmf(0))


LONG = Timeline([DAY * day for day in range(100)])


@pytest.mark.parametrize(
    ("places", "trend"),
    [
        ([7, *range(60, 100)], "emerging"),
        ([*range(50), 95], "fading"),
        ([7, 30, *range(60, 90)], "returned"),
        ([7, *range(85, 100)], "returned"),
    ],
)
def test_one_stray_event_of_twenty_is_passed_over(places, trend):
    assert LONG.trend(places)[0] == trend


def test_one_sitting_is_little_evidence_of_silence():
    """The same ten events without an interest say less when they lie in one sitting."""
    apart = Timeline([DAY * day for day in range(14)])
    together = Timeline([DAY * day for day in range(4)] + [10 * DAY + n for n in range(10)])
    places = [0, 2]
    assert apart.trend(places)[0] == "fading"
    assert together.between(4, 14) < apart.between(4, 14) / 2


@pytest.mark.parametrize(
    ("places", "absent"), [([14, 15, 17, 19], 14), ([0, 1, 3, 4, 6], 13), ([2, 4], 15)]
)
def test_chance_is_that_of_drawing_none_of_the_absence(places, absent):
    expected = hypergeom.pmf(0, len(TIMELINE.weights), absent, len(places))
    assert TIMELINE.trend(places)[1] == pytest.approx(expected)


@given(st.sets(st.integers(0, 19), min_size=1))
def test_what_chance_explains_is_steady(places):
    trend, chance = TIMELINE.trend(sorted(places))
    assert 0 < chance <= 1 and (chance == 1) == (trend == "steady")


def test_few_trends_of_little_chance_are_seen_where_there_are_none():
    """Sittings of one to four events a day; an interest takes any of them."""
    rng = np.random.default_rng(0)
    chances = []
    for _ in range(2000):
        days = np.repeat(np.sort(rng.choice(700, size=20, replace=False)), rng.integers(1, 5, 20))
        timeline = Timeline(days * DAY + np.arange(len(days)) * 60)
        places = rng.choice(len(days), size=rng.integers(2, 12), replace=False)
        chances.append(timeline.trend(sorted(places.tolist()))[1])
    assert np.mean(np.array(chances) <= 0.05) < 0.08


@given(st.sets(st.integers(0, 9), min_size=1))
def test_events_at_one_instant_are_told_by_their_order(places):
    instant = Timeline([5] * 10)
    daily = Timeline([DAY * day for day in range(10)])
    assert instant.trend(sorted(places)) == daily.trend(sorted(places))


@pytest.mark.parametrize(
    ("config", "least"),
    [
        # As told as by a classifier trained on the labels: the log says no more.
        (ToyConfig(), 0.73),
        (ToyConfig(num_users=300, events_per_user=100, repeat_rate=0.5), 0.85),
    ],
)
def test_planted_truth_of_toy_worlds(config, least, tmp_path):
    write_toy(tmp_path / "raw", config)
    truth = json.loads((tmp_path / "raw" / "truth.json").read_text(encoding="utf-8"))
    planted, found = [], []
    for user in truth["users"].values():
        timeline = Timeline([time for time, *_ in user["events"]])
        for interest in user["interests"]:
            themes = [theme for *_, theme, _ in user["events"]]
            places = [place for place, theme in enumerate(themes) if theme == interest["theme"]]
            if len(places) >= 2:
                planted.append(interest["trend"])
                found.append(timeline.trend(places)[0])
    labels = ["emerging", "steady", "fading"]
    assert f1_score(planted, found, labels=labels, average="macro") > least
