import numpy as np
import pytest

from genrec.evaluate.bootstrap import intervals, paired_difference

RNG = np.random.default_rng(3)


def test_covers_the_mean_as_the_normal_interval_does():
    values = RNG.normal(2.0, 1.0, size=400)
    found = intervals({"x": values})["x"]
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - error, abs=0.02)
    assert found.high == pytest.approx(values.mean() + error, abs=0.02)


def test_the_interval_is_a_95_percent_one():
    """Its width is that of the normal interval; a 90% interval would be 16% narrower."""
    values = np.random.default_rng(11).normal(size=5000)
    found = intervals({"x": values})["x"]
    width = 2 * 1.959964 * values.std() / np.sqrt(len(values))
    assert found.high - found.low == pytest.approx(width, rel=0.08)
    assert found.high - found.mean == pytest.approx(width / 2, rel=0.1)
    assert found.mean - found.low == pytest.approx(width / 2, rel=0.1)


def test_equal_seeds_give_equal_intervals_and_others_do_not():
    values = {"x": RNG.random(50)}
    assert intervals(values, seed=1) == intervals(values, seed=1)
    assert intervals(values, seed=1) != intervals(values, seed=2)


def test_metrics_do_not_disturb_each_other():
    first, second = RNG.random(30), RNG.random(30)
    together = intervals({"a": first, "b": second})
    assert together["a"].low == pytest.approx(intervals({"a": first})["a"].low)


def test_constant_values_have_no_width():
    found = intervals({"x": np.full(20, 0.25)})["x"]
    assert found.low == found.mean == found.high == 0.25


def test_pairing_sees_a_small_lead_that_separate_intervals_miss():
    luck = RNG.random(200)
    better, worse = luck + 0.01 + RNG.normal(0, 0.01, 200), luck
    apart = intervals({"better": better, "worse": worse})
    assert apart["better"].low < apart["worse"].high
    assert paired_difference(better, worse).low > 0
