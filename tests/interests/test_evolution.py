"""Evolution: the model's own distributions, and what is read off them, against planted cases."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from genrec.errors import ConfigError, DecodeError
from genrec.interests.timeline.births import BORN_AT
from genrec.interests.timeline.evolution import Evolution
from genrec.interests.timeline.plot import plot_forecast, plot_interests, plot_stream
from genrec.interests.timeline.windows import cut_windows, drift
from genrec.plotting import COLOURS
from genrec.recommender import Recommender
from genrec.schema import Event, History, Request


@pytest.fixture(scope="module")
def recommender(chain):
    return Recommender.from_pretrained(chain.pretrain, "cpu")


@pytest.fixture(scope="module")
def histories(recommender):
    return sorted(recommender.data.histories("test"), key=lambda h: -len(h.events))


def told(met, expected):
    """An evolution of made-up numbers: columns met, what was expected. Shape: (n + 1, K)."""
    events = tuple(Event("u", str(column), 10 * n) for n, column in enumerate(met))
    expected = np.asarray(expected, dtype=float)
    prefixes = tuple((column,) for column in range(expected.shape[1]))
    names = tuple(f"interest {column}" for column in range(expected.shape[1]))
    return Evolution("u", events, prefixes, names, expected, np.array(met), None, ())


def test_each_moment_is_what_the_model_says_when_asked_then(recommender, histories):
    """The oracle asks anew before every event, with a history cut there."""
    history = histories[0]
    evolution = recommender.evolution(events=history.events)
    assert evolution.expected.shape == (len(history.events) + 1, len(evolution.prefixes))
    np.testing.assert_allclose(evolution.expected.sum(axis=1), 1, atol=1e-5)
    for place in (0, 1, len(history.events) // 2, len(history.events)):
        cut = History("u", history.events[:place])
        request = Request(cut)
        if place < len(history.events):
            request = Request(
                cut, history.events[place].timestamp, history.events[place].event_type
            )
        again = recommender.evolutions([request])[0]
        np.testing.assert_allclose(again.expected[-1], evolution.expected[place], atol=1e-4)


def test_many_are_told_as_each_alone(recommender, histories):
    together = recommender.evolutions([Request(history) for history in histories[:5]])
    for history, evolution in zip(histories[:5], together, strict=True):
        alone = recommender.evolution(history.user_id)
        np.testing.assert_allclose(alone.expected, evolution.expected, atol=1e-4)
        np.testing.assert_allclose(alone.forecast, evolution.forecast, atol=1e-4)
        assert alone.interests == evolution.interests


def test_finer_interests_share_out_the_coarse_one(recommender, histories):
    coarse = recommender.evolution(histories[0].user_id)
    prefix = coarse.interests[0].prefix
    fine = recommender.evolution(histories[0].user_id, prefix=prefix)
    assert all(one[:1] == prefix and len(one) == 2 for one in fine.prefixes)
    np.testing.assert_allclose(fine.expected.sum(axis=1), 1, atol=1e-5)
    column = coarse.prefixes.index(prefix)
    assert ((fine.met >= 0) == (coarse.met == column)).all()
    assert fine.forecast is None


@pytest.mark.parametrize("prefix", [(10**6,), (0, 0, 0), (0, 0, 0, 0)])
def test_a_prefix_of_nothing_is_refused(recommender, histories, prefix):
    with pytest.raises(DecodeError):
        recommender.evolution(histories[0].user_id, prefix=prefix)


def test_the_past_knows_nothing_of_the_future(recommender, histories):
    history = histories[0]
    at = history.events[5].timestamp
    then = recommender.evolution(history.user_id, as_of=at)
    assert all(event.timestamp < at for event in then.events)
    whole = recommender.evolution(history.user_id)
    np.testing.assert_allclose(
        then.expected[: len(then.events)], whole.expected[: len(then.events)], atol=1e-4
    )


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_history_has_an_answer(recommender, histories, count, tmp_path):
    evolution = recommender.evolution(events=histories[0].events[:count])
    assert evolution.expected.shape[0] == count + 1
    assert evolution.forecast.sum() == pytest.approx(1)
    assert len(evolution.windows()) == count
    with pytest.raises(ConfigError, match="two events"):
        plot_stream(evolution, tmp_path / "stream.png")


def test_events_at_one_instant_have_an_answer(recommender, histories):
    events = tuple(replace(event, timestamp=7) for event in histories[0].events[:6])
    evolution = recommender.evolution(events=events)
    assert [window.num_events for window in evolution.windows()] == [6]
    assert all(interest.first_seen == 7 for interest in evolution.interests)


def test_a_stream_is_drawn(recommender, histories, tmp_path):
    evolution = recommender.evolution(histories[0].user_id)
    plot_stream(evolution, tmp_path / "stream.svg")
    drawn = (tmp_path / "stream.svg").read_text()
    assert drawn.startswith("<?xml") and drawn.count("<path") > 10
    with pytest.raises(ConfigError, match="cannot draw"):
        plot_stream(evolution, tmp_path / "stream.nothing")


def test_the_strongest_interests_are_drawn_in_the_order_they_were_met():
    """Of eight interests the weakest is left to the rest; one never met comes last."""
    shares = np.array([0.02, 0.21, 0.09, 0.13, 0.15, 0.14, 0.16, 0.1])
    evolution = told([3, 1, 1, 2, 7, 6, 5, 1], np.tile(shares, (9, 1)))
    in_order = [3, 1, 2, 7, 6, 5, 4]
    axes = plot_interests(evolution, Figure().subplots())
    texts = [text.get_text() for text in axes.texts]
    assert texts[: len(in_order)] == [f"interest {column}" for column in in_order]
    # Bands lie upon each other from the first, which is met in the first event, to the rest.
    bands = [band.get_paths()[0].vertices[:, 1] for band in axes.collections]
    ends = np.cumsum([*shares[in_order], shares[0]])
    assert [vertices.max() for vertices in bands] == pytest.approx(ends)
    assert axes.get_xlim() == (1, 8) and axes.get_ylim() == (0, 1)


def test_a_forecast_is_drawn_as_shares_strongest_on_top():
    shares = np.array([0.5, 0.2, 0.3])
    evolution = told([2, 0], [[0.1, 0.8, 0.1], [0.2, 0.4, 0.4], shares])
    for forecast, drawn in ((None, shares), (shares[::-1], shares[::-1])):
        axes = plot_forecast(replace(evolution, forecast=forecast), Figure().subplots())
        assert [bar.get_width() for bar in axes.patches] == sorted(drawn)
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert names == [f"interest {column}" for column in np.argsort(drawn)]
        colours = {name: bar.get_facecolor() for name, bar in zip(names, axes.patches, strict=True)}
        # The first interest that was met has the first colour, whatever is foreseen of it.
        assert colours["interest 2"] == to_rgba(COLOURS[0])
        assert colours["interest 0"] == to_rgba(COLOURS[1])


def test_a_notebook_shows_the_likeliest_interests_first():
    """Likeliest now and in the next window together; without a forecast these are the same."""
    evolution = told(
        [2, 0, 0], [[0.1, 0.8, 0.1], [0.2, 0.4, 0.4], [0.7, 0.2, 0.1], [0.5, 0.2, 0.3]]
    )
    for forecast, rows in (
        (None, [(0, 2, "50%", "50%"), (2, 1, "30%", "30%"), (1, 0, "20%", "20%")]),
        ([0.0, 0.2, 0.8], [(2, 1, "30%", "80%"), (0, 2, "50%", "0%"), (1, 0, "20%", "20%")]),
    ):
        forecast = None if forecast is None else np.array(forecast)
        cells = re.findall("<td>(.*?)</td>", replace(evolution, forecast=forecast)._repr_html_())
        expected = [(f"interest {column}", str(met), now, then) for column, met, now, then in rows]
        assert list(zip(cells[::5], cells[1::5], cells[3::5], cells[4::5], strict=True)) == expected


def test_a_birth_takes_two_events_or_the_models_word():
    unsure, sure = [0.5, 0.3, 0.2], [0.9 - BORN_AT, BORN_AT, 0.1]
    found = told([0, 1, 2, 0], [unsure, unsure, sure, unsure, unsure]).births
    assert [(birth.prefix, birth.place, birth.known) for birth in found] == [
        ((0,), 0, 3),
        ((1,), 1, 1),
    ]


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40).map(sorted),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_windows_hold_every_event_once(timestamps, seconds, seed):
    shares = np.random.default_rng(seed).dirichlet([0.3] * 4, len(timestamps))
    for length in (None, seconds):
        windows = cut_windows(timestamps, shares, length)
        assert sum(window.num_events for window in windows) == len(timestamps)
        for window in windows:
            inside = [n for n, t in enumerate(timestamps) if window.start <= t < window.end]
            assert len(inside) == window.num_events > 0
            np.testing.assert_allclose(window.shares, shares[inside].mean(axis=0))
            assert 0 <= window.drift <= 1 + 1e-9
        assert windows[0].drift == 0


def test_drift_is_the_divergence_of_jensen_and_shannon():
    one, other = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])
    middle = (one + other) / 2
    parts = [
        sum(p * np.log2(p / m) for p, m in zip(side, middle, strict=True) if p)
        for side in (one, other)
    ]
    assert drift(one, other) == pytest.approx(sum(parts) / 2)
    assert drift(one, one) == 0
    assert drift(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1)


def test_a_planted_turn_is_found():
    before, after = [0.9, 0.1], [0.1, 0.9]
    windows = cut_windows(range(12), np.array([before] * 7 + [after] * 5), 1)
    assert [number for number, window in enumerate(windows) if window.is_change] == [7]
