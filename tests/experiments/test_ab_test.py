import json
import math

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from genrec.errors import DataError, WrongTypeError
from genrec.experiments import Experiment, Metric, analyse

EXPERIMENT = Experiment("fusion", {"old": 1, "new": 1})
CLICK = Metric("click")


def draw(click_rates, users=4000, exposures=3, seed=0, slow_ms=None):
    """Return a row for each exposure, with as many users in each arm as its weight says."""
    rng = np.random.default_rng(seed)
    arms = np.array(list(click_rates))[np.arange(users) % len(click_rates)]
    rows = np.repeat(np.arange(users), exposures)
    rates = np.array([click_rates[arm] for arm in arms])[rows]
    frame = {"user_id": rows, "arm": arms[rows], "click": rng.random(len(rows)) < rates}
    if slow_ms:
        frame["ms"] = rng.normal([slow_ms[arm] for arm in frame["arm"]], 10)
    return pd.DataFrame(frame)


def test_a_planted_difference_is_found_and_lies_in_its_interval():
    result = analyse(EXPERIMENT, draw({"old": 0.2, "new": 0.26}), CLICK)
    assert (result.winner, result.verdict) == ("new", "keep new")
    (difference,) = result.differences
    assert difference.interval.low < 0.06 < difference.interval.high
    assert difference.lift == pytest.approx(0.3, abs=0.15)
    assert result.users == {"old": 2000, "new": 2000}


def test_the_control_wins_when_the_new_arm_is_worse():
    result = analyse(EXPERIMENT, draw({"old": 0.26, "new": 0.2}), CLICK)
    assert result.winner == "old"
    assert result.differences[0].standing == "worse"


def test_arms_that_are_alike_stay_open():
    result = analyse(EXPERIMENT, draw({"old": 0.2, "new": 0.2}), CLICK)
    assert result.winner is None and result.verdict.startswith("open")


def test_less_is_better_where_it_is_said_to_be():
    frame = draw({"old": 0.26, "new": 0.2})
    result = analyse(EXPERIMENT, frame, Metric("click", lower_is_better=True))
    assert result.winner == "new"


def test_of_several_arms_the_best_that_harms_nothing_wins():
    experiment = Experiment("three", {"old": 1, "new": 1, "slow": 1})
    slow_ms = {"old": 100, "new": 100, "slow": 130}
    frame = draw({"old": 0.2, "new": 0.26, "slow": 0.3}, users=6000, slow_ms=slow_ms)
    assert analyse(experiment, frame, CLICK).winner == "slow"
    guarded = analyse(experiment, frame, CLICK, [Metric("ms", lower_is_better=True)])
    assert guarded.winner == "new"
    guards = {each.arm: each.guard for each in guarded.guardrails}
    assert guards == {"new": "kept", "slow": "harmed"}
    shown = json.dumps(guarded.to_json())
    assert json.loads(shown)["guardrails"][1]["guard"] == "harmed"


def test_a_mismatch_of_users_takes_the_verdict_back():
    frame = draw({"old": 0.2, "new": 0.3})
    lost = frame[(frame["arm"] == "old") | (frame["user_id"] % 5 > 0)]
    result = analyse(EXPERIMENT, lost, CLICK)
    assert result.has_mismatch and result.winner is None
    assert "mismatch" in result.verdict
    weighed = Experiment("fusion", {"old": 10, "new": 8})
    assert analyse(weighed, lost, CLICK).winner == "new"


def test_users_are_counted_once_however_their_rows_are_cut():
    frame = draw({"old": 0.2, "new": 0.26})
    sums = frame.groupby(["user_id", "arm"]).agg(clicks=("click", "sum"), shown=("click", "size"))
    whole = analyse(EXPERIMENT, frame, CLICK)
    summed = analyse(EXPERIMENT, sums.reset_index(), Metric("clicks", per="shown"))
    shuffled = analyse(EXPERIMENT, frame.sample(frac=1, random_state=0), CLICK)
    for other in (summed, shuffled):
        assert other.differences[0].interval.low == pytest.approx(whole.differences[0].interval.low)
        assert other.users == whole.users


def test_a_rate_per_user_is_the_textbook_difference_of_means():
    frame = draw({"old": 0.2, "new": 0.26})
    clicks = frame.groupby("user_id")["click"].sum().to_numpy(dtype=float)
    old, new = clicks[::2], clicks[1::2]
    (difference,) = analyse(EXPERIMENT, frame, Metric("click", per="user")).differences
    variance = old.var(ddof=1) / len(old) + new.var(ddof=1) / len(new)
    information = (0.1 * clicks.mean()) ** 2 / variance
    deviations = (1 + 1 / information) * (math.log(1 + information) - 2 * math.log(0.05))
    radius = math.sqrt(variance * deviations)
    assert difference.interval.value == pytest.approx(new.mean() - old.mean())
    assert difference.interval.high - difference.interval.value == pytest.approx(radius)


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas])
def test_any_data_frame_will_do(convert):
    frame = draw({"old": 0.2, "new": 0.26}, users=400)
    expected = analyse(EXPERIMENT, frame, CLICK).to_json()
    assert analyse(EXPERIMENT, convert(frame), CLICK).to_json() == expected


def test_users_of_several_arms_and_of_dropped_arms_are_left_out_and_counted():
    experiment = Experiment("dropped", {"old": 1, "new": 1, "bad": 0})
    frame = draw({"old": 0.2, "new": 0.26, "bad": 0.9}, users=6000)
    moved = pd.DataFrame({"user_id": [0, 2, 5], "arm": ["new", "old", "old"], "click": True})
    result = analyse(experiment, pd.concat([frame, moved]), CLICK)
    assert (result.crossed_users, result.dropped_users) == (3, 1998)
    assert result.users == {"old": 1999, "new": 2000}
    assert [each.arm for each in result.differences] == ["new"]


def test_few_users_decide_nothing():
    frame = pd.DataFrame({"user_id": range(40), "arm": ["old", "new"] * 20, "click": [0, 1] * 20})
    result = analyse(EXPERIMENT, frame, CLICK)
    assert result.winner is None
    assert result.to_json()["differences"][0]["low"] is None
    Console(width=100).print(result.table())


def test_an_arm_that_gets_nothing_at_all_loses():
    frame = draw({"old": 0.2, "new": 0.0}, users=2000)
    assert analyse(EXPERIMENT, frame, CLICK).winner == "old"


def test_rare_clicks_in_a_small_arm_are_no_reason_for_haste():
    """Where the small arm has had no click yet, its variance seems to be 0."""
    experiment = Experiment("rare", {"old": 9, "new": 1})
    users = np.arange(3000)
    arms = np.where(users % 10, "old", "new")
    frame = pd.DataFrame({"user_id": users, "arm": arms, "click": users % 100 == 1})
    assert analyse(experiment, frame, CLICK, expected_lift=1.0).winner is None


def test_one_loud_user_decides_nothing():
    """Such as a robot that clicks on all it is shown."""
    frame = draw({"old": 0.2, "new": 0.2}, users=2000)
    robot = pd.DataFrame({"user_id": 1, "arm": "new", "click": [True] * 50_000})
    assert analyse(EXPERIMENT, pd.concat([frame, robot]), CLICK).winner is None


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_swapping_the_arms_swaps_the_result(seed):
    frame = draw({"old": 0.3, "new": 0.4}, users=400, exposures=1, seed=seed)
    (one,) = analyse(EXPERIMENT, frame, CLICK).differences
    (other,) = analyse(Experiment("fusion", {"new": 1, "old": 1}), frame, CLICK).differences
    assert other.interval.value == pytest.approx(-one.interval.value)
    assert other.interval.low == pytest.approx(-one.interval.high)


def with_value(column, value):
    return (
        draw({"old": 0.2, "new": 0.3}, users=10)
        .astype({column: object})
        .assign(**{column: lambda frame: [value, *frame[column][1:]]})
    )


@pytest.mark.parametrize(
    ("frame", "metric", "message"),
    [
        (with_value("arm", "newer"), CLICK, "'newer', which is no arm.*weight 0"),
        (draw({"old": 0.2}), CLICK, "'new'.*no users.*weight 0"),
        (draw({"old": 0.2, "new": 0.2}).head(0), CLICK, "no rows"),
        (draw({"old": 0.2, "new": 0.2}), Metric("bought"), "no column 'bought'"),
        (draw({"old": 0.2, "new": 0.2}), Metric("click", per="shown"), "no column 'shown'"),
        (draw({"old": 0.2, "new": 0.2}), Metric("arm"), "does not hold numbers"),
        (with_value("click", math.nan), CLICK, r"exposures.click\[0\] is nan"),
        (with_value("click", math.inf), CLICK, r"exposures.click\[0\] is inf"),
        (with_value("click", None), CLICK, r"exposures.click\[0\] is nan"),
        (with_value("user_id", None), CLICK, r"exposures.user_id.*drop that row"),
        (with_value("arm", None), CLICK, r"exposures.arm\[0\] is missing"),
        (with_value("arm", ""), CLICK, r"exposures.arm\[0\] is missing"),
        (with_value("user_id", "ann"), CLICK, "of several kinds"),
    ],
)
def test_unusable_exposures_are_refused(frame, metric, message):
    with pytest.raises(DataError, match=message):
        analyse(EXPERIMENT, frame, metric)


def test_exposures_that_are_no_table_are_refused():
    with pytest.raises(WrongTypeError, match="data frame"):
        analyse(EXPERIMENT, [("ann", "old", 1)], CLICK)


def test_counts_below_zero_are_refused():
    frame = draw({"old": 0.2, "new": 0.2}, users=10).assign(shown=-1)
    with pytest.raises(DataError, match="at least 0"):
        analyse(EXPERIMENT, frame, Metric("click", per="shown"))
    with pytest.raises(DataError, match="is 0 for all users"):
        analyse(EXPERIMENT, frame.assign(shown=0), Metric("click", per="shown"))


@pytest.mark.parametrize("setting", [{"alpha": 0}, {"alpha": 1.5}, {"expected_lift": -0.1}])
def test_unusable_settings_are_refused(setting):
    with pytest.raises(DataError, match=next(iter(setting))):
        analyse(EXPERIMENT, draw({"old": 0.2, "new": 0.2}), CLICK, **setting)


@pytest.mark.parametrize("text", ["", "/user", "click/", "click:higher", ":lower"])
def test_metrics_that_cannot_be_read_are_refused(text):
    with pytest.raises(DataError, match="cannot be read"):
        Metric.parse(text)


@settings(deadline=None)
@given(st.sampled_from(["click", "a b"]), st.sampled_from(["user", "shown"]), st.booleans())
def test_a_metric_reads_what_it_prints(name, per, lower):
    metric = Metric(name, per, lower)
    assert Metric.parse(str(metric)) == metric
