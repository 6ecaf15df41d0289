"""A user's interests as a stream chart: width is what the model expects of each over time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from genrec.errors import ConfigError
from genrec.interests.timeline.evolution import Evolution

# Okabe and Ito 2008: told apart with every common kind of colour blindness.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
REST_COLOUR, INK, QUIET = "#D9D9D9", "#222222", "#666666"
LABEL_ROOM = 0.055
"""Height of a label, as a share of the chart."""


def plot_stream(evolution: Evolution, path: Path) -> None:
    """Draw the interests of a history, and what is predicted beside them.

    Args:
        evolution: Of at least two events.
        path: To write; its ending says how: .png, .svg or .pdf.

    Raises:
        ConfigError: Too little history, an ending nobody knows, or matplotlib is not installed.
    """
    if len(evolution.events) < 2:
        raise ConfigError("a stream needs at least two events; there is nothing to draw yet")
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ConfigError("drawing needs matplotlib: pip install 'genrec[interests]'") from None
    # Names are text: "$" begins no formula.
    with plt.rc_context({"text.parse_math": False}):
        _draw(evolution, path, plt)


def _draw(evolution: Evolution, path: Path, plt: Any) -> None:
    figure, (stream, bars) = plt.subplots(
        1, 2, figsize=(12, 5), width_ratios=(4, 1), layout="constrained"
    )
    columns = _strongest(evolution)
    rest = [column for column in range(len(evolution.prefixes)) if column not in columns]
    weights = evolution.expected[1:]
    bands = np.vstack([weights[:, columns].T, weights[:, rest].sum(axis=1)])
    colours = [*COLOURS[: len(columns)], REST_COLOUR]
    names = [*(evolution.names[column] for column in columns), "everything else"]
    places = np.arange(1, len(weights) + 1)
    stream.stackplot(places, bands, colors=colours, edgecolor="white", linewidth=0.8)
    _label(stream, places, bands, names)
    _mark_births(stream, evolution, columns)
    stream.set(xlim=(1, len(weights)), ylim=(0, 1), ylabel="share of what is expected next")
    ticks = np.unique(np.linspace(0, len(weights) - 1, 6).astype(int))
    days = [
        datetime.fromtimestamp(evolution.timestamps[tick], UTC).strftime("%-d %b %Y")
        for tick in ticks
    ]
    stream.set_xticks(
        ticks + 1, [f"event {tick + 1}\n{day}" for tick, day in zip(ticks, days, strict=True)]
    )
    stream.set_title(f"Interests of {evolution.user_id}", loc="left", color=INK)
    _forecast(bars, evolution, columns, names)
    for axes in (stream, bars):
        axes.tick_params(colors=QUIET, labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, dpi=150)
    except (ValueError, OSError) as error:
        raise ConfigError(f"cannot draw to {path}: {str(error).splitlines()[0]}") from None
    finally:
        plt.close(figure)


def _strongest(evolution: Evolution) -> list[int]:
    """Return the columns to draw by name, in the order in which they were first met."""
    total = evolution.expected[1:].mean(axis=0) + evolution.expected[-1]
    columns = np.argsort(-total, kind="stable")[: len(COLOURS)].tolist()
    met = evolution.met.tolist()
    return sorted(columns, key=lambda column: met.index(column) if column in met else len(met))


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
            places[place], height, name, ha=align, va="center", fontsize=8.5, color=INK
        )
        text.set_bbox({"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.2})


def _mark_births(axes: Any, evolution: Evolution, columns: list[int]) -> None:
    drawn = {evolution.prefixes[column] for column in columns}
    born = [birth.place + 1 for birth in evolution.births if birth.prefix in drawn]
    axes.plot(born, [0] * len(born), "^", color=INK, ms=6, clip_on=False, zorder=5)
    axes.text(0, -0.16, "▲ an interest begins", transform=axes.transAxes, fontsize=8, color=QUIET)


def _forecast(axes: Any, evolution: Evolution, columns: list[int], names: list[str]) -> None:
    """Draw what the next window is predicted to hold beside what is now."""
    shares = evolution.expected[-1] if evolution.forecast is None else evolution.forecast
    order = sorted(range(len(columns)), key=lambda number: shares[columns[number]])
    heights = np.arange(len(order))
    axes.barh(
        heights,
        [shares[columns[number]] for number in order],
        color=[COLOURS[number] for number in order],
        height=0.6,
    )
    axes.set_yticks(heights, [_short(names[number]) for number in order])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("predicted", loc="left", color=INK)


def _short(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
