"""A user's interests as a stream chart: width is what the model expects of each over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from genrec.errors import ConfigError
from genrec.interests.timeline.births import Birth
from genrec.plotting import COLOURS, INK, PALE, QUIET, name_ticks, open_axes, picture, plain
from genrec.schema import SemanticId

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL_ROOM = 0.055
"""Height of a label, as a share of the chart."""
REST = "everything else"


class Told(Protocol):
    """What is drawn of an ``evolution.Evolution``, which draws itself with this module."""

    @property
    def user_id(self) -> str:
        """Whose."""

    @property
    def prefixes(self) -> tuple[SemanticId, ...]:
        """The interests, one a column."""

    @property
    def names(self) -> tuple[str, ...]:
        """Their words."""

    @property
    def timestamps(self) -> tuple[int, ...]:
        """Seconds of each event."""

    @property
    def expected(self) -> np.ndarray:
        """Shares. Shape: (n + 1, K)."""

    @property
    def met(self) -> np.ndarray:
        """Column of each event's interest."""

    @property
    def next_shares(self) -> np.ndarray:
        """Shares in the next window. Shape: (K,)."""

    @property
    def births(self) -> list[Birth]:
        """The interests that began."""


def plot_interests(told: Told, ax: Axes | None = None) -> Axes:
    """Draw the interests of a history; see ``Evolution.plot``."""
    _check_length(told)
    with open_axes(ax, (10, 4.5)) as axes:
        columns = _strongest(told)
        rest = [column for column in range(len(told.prefixes)) if column not in columns]
        weights = told.expected[1:]
        bands = np.vstack([weights[:, columns].T, weights[:, rest].sum(axis=1)])
        places = np.arange(1, len(weights) + 1)
        colours = [*COLOURS[: len(columns)], PALE]
        axes.stackplot(places, bands, colors=colours, edgecolor="white", linewidth=0.8)
        _label(axes, places, bands, [*(told.names[column] for column in columns), REST])
        _mark_births(axes, told, columns)
        axes.set(xlim=(1, len(weights)), ylim=(0, 1), ylabel="share of what is expected next")
        ticks = np.unique(np.linspace(0, len(weights) - 1, 6).astype(int)).tolist()
        name_ticks(axes.xaxis, [tick + 1 for tick in ticks], _days(told, ticks))
        axes.set_title(plain(f"Interests of {told.user_id}"), loc="left", color=INK)
        _quieten(axes)
    return axes


def plot_forecast(told: Told, ax: Axes | None = None) -> Axes:
    """Draw what the next window is predicted to hold; see ``Evolution.plot_forecast``."""
    with open_axes(ax, (5, 3)) as axes:
        shares = told.next_shares
        columns = _strongest(told)
        order = sorted(range(len(columns)), key=lambda number: shares[columns[number]])
        axes.barh(
            range(len(order)),
            [shares[columns[number]] for number in order],
            color=[COLOURS[number] for number in order],
            height=0.6,
        )
        names = [told.names[columns[number]] for number in order]
        name_ticks(axes.yaxis, range(len(order)), names)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_title("predicted", loc="left", color=INK)
        _quieten(axes)
    return axes


def plot_stream(told: Told, path: Path | str) -> None:
    """Write a picture of the interests with the forecast beside them.

    Raises:
        ConfigError: Too little history, an ending nobody knows, or matplotlib is not installed.
    """
    _check_length(told)
    with picture(path, (12, 5)) as figure:
        stream, bars = figure.subplots(1, 2, width_ratios=(4, 1))
        plot_interests(told, stream)
        plot_forecast(told, bars)


def _check_length(told: Told) -> None:
    if len(told.timestamps) < 2:
        raise ConfigError("a stream needs at least two events; there is nothing to draw yet")


def _strongest(told: Told) -> list[int]:
    """Return the columns to draw by name, in the order in which they were first met."""
    total = told.expected[-1] + (told.expected[1:].mean(axis=0) if len(told.expected) > 1 else 0)
    columns: list[int] = np.argsort(-total, kind="stable")[: len(COLOURS)].tolist()
    met = told.met.tolist()
    return sorted(columns, key=lambda column: met.index(column) if column in met else len(met))


def _days(told: Told, places: Sequence[int]) -> list[str]:
    days = (datetime.fromtimestamp(told.timestamps[place], UTC) for place in places)
    return [
        f"event {place + 1}\n{day.day} {day:%b %Y}" for place, day in zip(places, days, strict=True)
    ]


def _label(axes: Any, places: np.ndarray, bands: np.ndarray, names: list[str]) -> None:
    """Write each name where its band is widest, if it fits there."""
    floors = np.vstack([np.zeros(bands.shape[1]), bands.cumsum(axis=0)])
    for number, (band, name) in enumerate(zip(bands, names, strict=True)):
        # Not at the very edge, where the text would be cut.
        inside = slice(1, -1) if len(band) > 4 else slice(None)
        place = int(np.argmax(band[inside])) + (inside.start or 0)
        if band[place] < LABEL_ROOM:
            continue
        share = place / (len(band) - 1)
        align = "left" if share < 0.2 else "right" if share > 0.8 else "center"
        height = floors[number, place] + band[place] / 2
        text = axes.text(
            places[place], height, plain(name), ha=align, va="center", fontsize=8.5, color=INK
        )
        text.set_bbox({"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.2})


def _mark_births(axes: Any, told: Told, columns: list[int]) -> None:
    drawn = {told.prefixes[column] for column in columns}
    born = [birth.place + 1 for birth in told.births if birth.prefix in drawn]
    axes.plot(born, [0] * len(born), "^", color=INK, ms=6, clip_on=False, zorder=5)
    axes.text(
        1, 1.015, "▲ an interest begins", ha="right", transform=axes.transAxes, fontsize=8,
        color=QUIET,
    )  # fmt: skip


def _quieten(axes: Any) -> None:
    axes.tick_params(colors=QUIET, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
