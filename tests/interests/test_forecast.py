"""The forecaster: finds planted weights, and is a distribution whatever it is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import ArtifactError
from genrec.interests.timeline.forecast import (
    FORECAST_FILE,
    Forecaster,
    calibrate,
    decayed,
    fit_forecaster,
    measure_turnover,
    soften,
    succession,
)
from genrec.recommender import Recommender

K = 6
IN_USE = np.array([True] * 5 + [False])


def histories(seed, count, length=8):
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 5, length) for _ in range(count)]


def logs(shares):
    with np.errstate(divide="ignore"):
        return np.log(shares)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_a_model_that_is_too_sure_or_not_sure_enough_is_found_out(temperature):
    rng = np.random.default_rng(5)
    true = np.c_[rng.dirichlet([1.0] * 5, 4000), np.zeros(4000)]
    happened = np.array([rng.choice(K, p=row) for row in true])
    claimed = temperature * logs(true)
    assert calibrate(claimed, happened) == pytest.approx(temperature, rel=0.1)
    np.testing.assert_allclose(soften(claimed, temperature), true, atol=1e-9)


def test_it_trusts_a_model_that_is_right():
    """Windows drawn from what the model expects: nobody else adds to that."""
    rng = np.random.default_rng(0)
    known = histories(1, 3000)
    expected = np.c_[rng.dirichlet([0.5] * 5, 3000), np.zeros(3000)]
    windows = [rng.choice(K, 4, p=row) for row in expected]
    forecaster = fit_forecaster(histories(2, 500), known, windows, logs(expected), IN_USE)
    assert forecaster.weights[0] == pytest.approx(1, abs=0.1)
    assert np.abs(forecaster.weights[1:]).max() < 0.25
    np.testing.assert_allclose(forecaster.predict(known, expected), expected, atol=0.12)


def test_it_finds_what_follows_what():
    """Every code is followed by the next of a ring; the model knows nothing of it."""
    rings = [(start + np.arange(9)) % 5 for start in np.random.default_rng(3).integers(0, 5, 400)]
    blind = np.tile(IN_USE / 5, (400, 1))
    known, windows = [ring[:8] for ring in rings], [ring[8:] for ring in rings]
    forecaster = fit_forecaster(known, known, windows, logs(blind), IN_USE)
    found = forecaster.predict(known, blind)
    assert (found.argmax(axis=1) == [window[0] for window in windows]).mean() > 0.95


@given(
    st.lists(st.lists(st.integers(0, 4), max_size=12), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_a_forecast_is_a_distribution_over_codes_in_use(written, seed):
    rng = np.random.default_rng(seed)
    popularity, follows = succession(histories(4, 20), IN_USE)
    forecaster = Forecaster(popularity, follows, rng.normal(size=9))
    expected = np.c_[rng.dirichlet([0.1] * 5, len(written)), np.zeros(len(written))]
    found = forecaster.predict([np.array(codes, dtype=int) for codes in written], expected)
    chances = forecaster.chances(found, 5)
    assert (chances >= found - 1e-12).all() and (chances <= 1).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found >= 0).all() and (found[:, ~IN_USE] == 0).all()


def test_succession_counts_by_hand():
    popularity, follows = succession([np.array([0, 1, 0])], np.array([True, True]))
    np.testing.assert_allclose(popularity, [3 / 5, 2 / 5])
    pairs = np.array([[1 / 2, 1.0], [1.0, 0.0]]) + popularity
    np.testing.assert_allclose(follows, pairs / pairs.sum(axis=1, keepdims=True))


def test_chances_lie_between_one_draw_and_as_many_as_there_are_events():
    rng = np.random.default_rng(0)
    shares = np.array([[0.5, 0.3, 0.15, 0.05]])
    drawn = rng.choice(4, size=(20_000, 5), p=shares[0])
    met = [(drawn == code).any(axis=1).mean() for code in range(4)]
    popularity, follows = succession([], np.ones(4, dtype=bool))

    def chances(turnover):
        return Forecaster(popularity, follows, np.zeros(9), turnover).chances(shares, 5)[0]

    np.testing.assert_allclose(chances(1.0), met, atol=0.01)
    np.testing.assert_allclose(chances(0.0), shares[0])
    assert (chances(0.5) > chances(0.0)).all() and (chances(0.5) < chances(1.0)).all()


def test_turnover_by_hand():
    assert measure_turnover([np.array([1, 1, 2]), np.array([3]), np.array([2, 2])]) == 1 / 3
    assert measure_turnover([np.array([3]), np.array([], dtype=int)]) == 1.0


def test_decay_by_hand():
    popularity = np.array([0.5, 0.5])
    np.testing.assert_allclose(decayed(np.array([0, 1]), 1.0, popularity, 0), [1 / 3, 2 / 3])
    np.testing.assert_allclose(decayed(np.array([0, 1]), np.inf, popularity, 0), [1 / 2, 1 / 2])
    np.testing.assert_allclose(decayed(np.array([0, 1]), 1.0, popularity, 0.4), [2 / 5, 3 / 5])
    np.testing.assert_allclose(decayed(np.array([], dtype=int), 8, popularity), popularity)


def test_a_run_brings_its_own(chain, tmp_path):
    recommender = Recommender.from_pretrained(chain.sft, "cpu")
    forecaster = Forecaster.of_run(chain.sft)
    user = next(recommender.data.histories("test")).user_id
    evolution = recommender.evolution(user)
    codes = np.array([prefix[0] for prefix in evolution.prefixes])
    expected = np.zeros((1, recommender.table.codebook_size))
    expected[0, codes] = evolution.expected[-1]
    found = forecaster.predict([codes[evolution.met]], expected)[0, codes]
    np.testing.assert_allclose(evolution.forecast, found)
    assert np.abs(evolution.forecast - evolution.expected[-1]).max() > 1e-3
    forecaster.save(tmp_path)
    (tmp_path / FORECAST_FILE).write_bytes(b"no such thing")
    with pytest.raises(ArtifactError, match="damaged"):
        Forecaster.of_run(tmp_path)
