"""An explanation as bars: to the right what raised the item, to the left what lowered it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from genrec.errors import ConfigError
from genrec.plotting import BLUE, INK, PALE, QUIET, RED, name_ticks, open_axes, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_BARS = 15
"""Of a longer history the events are drawn that matter most."""
MAX_NAME_CHARS = 44
ROOM = 0.32
"""Inches of height for a bar."""


class Bar(NamedTuple):
    """An event as it is drawn.

    Attributes:
        name: In words.
        nats: What it does to the item's log-probability.
        is_evidence: Whether the explanation names it.
    """

    name: str
    nats: float
    is_evidence: bool


def plot_effects(bars: Sequence[Bar], title: str, ax: Axes | None = None) -> Axes:
    """Draw events, the oldest on top; see ``deletion.Explanation.plot``.

    Raises:
        ConfigError: There are none, or matplotlib is not installed.
    """
    if not bars:
        raise ConfigError("there is no event that the item could be explained by; nothing to draw")
    strongest = sorted(range(len(bars)), key=lambda place: -abs(bars[place].nats))[:MOST_BARS]
    # The lowest bar is drawn first.
    shown = [bars[place] for place in sorted(strongest, reverse=True)]
    with open_axes(ax, (8, 1.2 + ROOM * len(shown))) as axes:
        colours = [BLUE if bar.nats > 0 else RED for bar in shown]
        drawn = axes.barh(range(len(shown)), [bar.nats for bar in shown], color=colours, height=0.7)
        for patch, bar in zip(drawn, shown, strict=True):
            patch.set_alpha(1.0 if bar.is_evidence else 0.35)
        name_ticks(axes.yaxis, range(len(shown)), [bar.name for bar in shown], MAX_NAME_CHARS)
        axes.axvline(0, color=PALE, linewidth=1, zorder=0)
        axes.set_xlabel("effect on the item, nats", color=QUIET)
        axes.set_title(plain(title, 60), loc="left", color=INK)
        axes.tick_params(colors=QUIET, labelsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
    return axes
