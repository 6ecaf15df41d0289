"""Trends: planted cases by hand, and the toy world's planted truth."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from genrec.data.toy import write_toy
from genrec.data.toy.world import ToyConfig
from genrec.semantic_ids.trend import Timeline

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
        (list(range(20)), "steady"),
    ],
)
def test_planted_trends(places, trend):
    assert TIMELINE.trend(places) == trend


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
    assert LONG.trend(places) == trend


def test_one_sitting_is_little_evidence_of_silence():
    """The same ten events without an interest say less when they lie in one sitting."""
    apart = Timeline([DAY * day for day in range(14)])
    together = Timeline([DAY * day for day in range(4)] + [10 * DAY + n for n in range(10)])
    places = [0, 2]
    assert apart.trend(places) == "fading"
    assert together.between(4, 14) < apart.between(4, 14) / 2


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
                found.append(timeline.trend(places))
    labels = ["emerging", "steady", "fading"]
    assert f1_score(planted, found, labels=labels, average="macro") > least
