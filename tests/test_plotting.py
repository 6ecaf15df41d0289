"""Pictures: on the user's axes or new ones, with names as the text they are."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from genrec.errors import ConfigError, DataError, WrongTypeError
from genrec.graph import graph_histories, overview, plot_network, write_picture
from genrec.interests.explain.deletion import Effect, Explanation
from genrec.interests.explain.plot import MOST_BARS
from genrec.interests.timeline.evolution import Evolution
from genrec.interests.timeline.plot import plot_stream
from genrec.plotting import plain
from genrec.schema import Event, History
from genrec.semantic_ids.table import SemanticIdTable

matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

HOSTILE = ["<script>alert(1)</script>", "[/b]", "$5 and $\\frac$", "_tea", "抹茶", r"\$1 \x"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def evolution(names=("tea", "bread"), count=6) -> Evolution:
    events = tuple(Event(names[0], str(n), 86_400 * n) for n in range(count))
    shares = np.linspace(0.2, 0.8, count + 1)
    expected = np.stack([shares, 1 - shares], axis=1)
    met = np.arange(count) % 2
    return Evolution(names[0], events, ((0,), (1,)), tuple(names), expected, met, expected[0], ())


def explanation(name="tea", count=4) -> Explanation:
    events = [Event("u", "i", n) for n in range(count)]
    effects = tuple(Effect(n, event, name, (-1.0) ** n * (n + 1)) for n, event in enumerate(events))
    return Explanation("i", name, -1.0, -3.0, effects, 0, effects[:1], 1.0, name, (0,), name)


def network(name="tea"):
    table = SemanticIdTable(
        ["a", "b"], np.array([[0, 0], [1, 0]]), 2, np.zeros((2, 2, 1), np.float32),
        {(0,): name, (1,): f"{name} 2"},
    )  # fmt: skip
    events = (Event("u", "a", 0), Event("u", "b", 5))
    return overview(graph_histories([History("u", events)], table))


def drawers(name):
    told, why, linked = evolution((name, f"{name} 2")), explanation(name), network(name)
    return {
        "stream": told.plot,
        "forecast": told.plot_forecast,
        "explanation": why.plot,
        "network": lambda ax=None: plot_network(linked, ax),
    }


def words(axes) -> list[str]:
    """Return what a reader reads on axes: texts as they were drawn."""
    axes.figure.canvas.draw()
    found = axes.findobj(matplotlib.text.Text)
    return [text._preprocess_math(text.get_text())[0] for text in found]


@pytest.mark.parametrize("kind", drawers("tea"))
def test_the_axes_given_are_drawn_on_and_returned(kind):
    figure, (left, right) = plt.subplots(1, 2)
    assert drawers("tea")[kind](ax=right) is right
    assert right.has_data() and not left.has_data()
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("kind", drawers("tea"))
def test_without_axes_there_is_a_new_figure_and_settings_stay(kind):
    before = dict(matplotlib.rcParams)
    axes = drawers("tea")[kind]()
    assert axes.has_data() and plt.gcf() is axes.figure
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("kind", drawers("tea"))
@pytest.mark.parametrize("name", HOSTILE)
# Fonts for all scripts need not be installed where tests run.
@pytest.mark.filterwarnings("ignore:Glyph .* missing")
def test_names_are_drawn_as_they_are(kind, name):
    axes = drawers(name)[kind]()
    assert any(name in text for text in words(axes))


@pytest.mark.parametrize("kind", drawers("tea"))
@pytest.mark.parametrize("wrong", ["axes", 3, []])
def test_what_is_no_axes_is_told(kind, wrong):
    with pytest.raises(WrongTypeError, match="^ax="):
        drawers("tea")[kind](ax=wrong)


def test_several_axes_are_told():
    with pytest.raises(WrongTypeError, match="^ax="):
        evolution().plot(ax=plt.subplots(1, 2)[1])


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_history(count):
    told = evolution(count=count)
    with pytest.raises(ConfigError, match="two events"):
        told.plot()
    assert told.plot_forecast().has_data()
    with pytest.raises(ConfigError, match="nothing to draw"):
        explanation(count=0).plot()
    with pytest.raises(DataError, match="0 nodes"):
        plot_network(network().subgraph([]))
    assert not plt.get_fignums() or plt.get_fignums() == [1]


def test_bars_are_of_the_events_that_matter_most_oldest_on_top():
    axes = explanation(count=40).plot()
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [f"{n} · tea" for n in range(40, 40 - MOST_BARS, -1)]
    assert [bar.get_width() > 0 for bar in axes.patches] == [n % 2 == 1 for n in range(40, 25, -1)]


def test_bars_of_events_that_are_named_are_the_opaque_ones():
    axes = explanation().plot()
    assert [bar.get_alpha() == 1 for bar in axes.patches] == [False, False, False, True]


def test_shares_and_stream_agree_in_colours():
    told = evolution()
    stream, bars = told.plot(), told.plot_forecast()
    fills = {tuple(band.get_facecolor()[0]) for band in stream.collections}
    assert {tuple(bar.get_facecolor()) for bar in bars.patches} <= fills


@pytest.mark.parametrize("write", [lambda p: plot_stream(evolution(), p),
                                   lambda p: write_picture(network(), p)])  # fmt: skip
def test_files(write, tmp_path):
    for ending in ("png", "svg", "pdf"):
        write(tmp_path / "new" / f"x.{ending}")
        assert (tmp_path / "new" / f"x.{ending}").stat().st_size > 3_000
    with pytest.raises(ConfigError, match="cannot draw"):
        write(tmp_path / "x.nothing")
    assert not plt.get_fignums()


def test_drawing_costs_nothing_until_it_is_asked_for():
    code = (
        "import sys, genrec.graph, genrec.interests.timeline.evolution, "
        "genrec.interests.explain.deletion; sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("text", ["a", "$x$", r"\$", "$" * 5, ""])
def test_plain_text_survives_matplotlib(text):
    drawn = matplotlib.text.Text(0, 0, plain(text))
    assert drawn._preprocess_math(drawn.get_text()) == (text, False)
    assert len(plain("x" * 99, 10)) == 10
