"""Pictures of the results: accuracy with intervals, and validation while training.

Colours are those of Okabe and Ito, told apart with any eyesight; shapes and strokes repeat what
colours say.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend is chosen first)
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

from benchmarks.results_read import OURS, Results  # noqa: E402

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""The first is ours."""
STROKES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 2)))
METRICS = {"recall@10": "Recall@10", "ndcg@10": "NDCG@10"}
_STYLE: Mapping[str, object] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "svg.hashsalt": "genrec",
}


def plot_accuracy(results: Results, file: Path) -> None:
    """Draw both metrics of every ranker with their intervals, filtered and not."""
    rows = results.rows[::-1]
    with plt.rc_context(dict(_STYLE)):
        size = (9, 1.7 + 0.45 * len(rows))
        figure, axes = plt.subplots(1, len(METRICS), figsize=size, sharey=True)
        for axis, (metric, title) in zip(axes, METRICS.items(), strict=True):
            for place, row in enumerate(rows):
                colour = COLOURS[0] if row.name == OURS else COLOURS[1]
                _point(axis, row.means[True, metric], place + 0.13, colour, "o", colour)
                _point(axis, row.means[False, metric], place - 0.13, colour, "D", "white")
            axis.set_title(title, loc="left", fontsize=11)
            # A marker at 0 is seen whole.
            axis.set_xlim(left=-0.02 * max(axis.get_xlim()[1], 1e-6))
            axis.set_ylim(-0.6, len(rows) - 0.4)
            axis.xaxis.set_major_locator(MaxNLocator(5))
            axis.grid(axis="y", visible=False)
        axes[0].set_yticks(range(len(rows)), [row.name for row in rows])
        for label in axes[0].get_yticklabels():
            label.set_fontweight("bold" if label.get_text() == OURS else "normal")
        grey = {"color": "#444444", "linestyle": "none", "markeredgecolor": "#444444"}
        handles = [
            Line2D([], [], marker="o", label="seen items filtered", **grey),
            Line2D([], [], marker="D", markerfacecolor="white", label="seen allowed", **grey),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
        what = f"{results.name} · {results.setting['split']} · 95% intervals over users"
        figure.suptitle(what, x=0.01, ha="left", fontsize=12)
        _save(figure, file)


def plot_curves(results: Results, file: Path) -> bool:
    """Draw NDCG@10 on validation by epoch; return whether anybody looked."""
    looked = [
        (each, [(point["epoch"], point["ndcg@10"]) for point in each.curve if "ndcg@10" in point])
        for each in results.origins
    ]
    looked = [(each, points) for each, points in looked if points]
    if not looked:
        return False
    names = sorted({each.name for each, _ in looked}, key=lambda name: (name != OURS, name))
    with plt.rc_context(dict(_STYLE)):
        figure, axis = plt.subplots(figsize=(7.5, 4.2))
        for each, points in looked:
            place = names.index(each.name) + (OURS not in names)
            axis.plot(
                *zip(*points, strict=True), marker="o", markersize=3.5, linewidth=1.8,
                color=COLOURS[place % len(COLOURS)], linestyle=STROKES[place % len(STROKES)],
            )  # fmt: skip
        handles = [
            Line2D(
                [], [], color=COLOURS[place % len(COLOURS)], marker="o", markersize=3.5,
                linestyle=STROKES[place % len(STROKES)], linewidth=1.8, label=name,
            )
            for place, name in enumerate(names, start=int(OURS not in names))
        ]  # fmt: skip
        axis.legend(handles=handles, frameon=False, handlelength=3.5)
        axis.set_xlabel("epoch")
        axis.set_ylabel("NDCG@10, sampled validation users")
        axis.set_ylim(bottom=0)
        axis.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axis.set_title(f"{results.name} · validation, a line a seed", loc="left", fontsize=12)
        _save(figure, file)
    return True


def _point(axis: Axes, interval, height: float, colour: str, marker: str, face: str) -> None:
    below, above = interval.mean - interval.low, interval.high - interval.mean
    axis.errorbar(
        interval.mean, height, xerr=[[below], [above]], fmt=marker, color=colour, capsize=3,
        markersize=6, markerfacecolor=face, linewidth=1.6,
    )  # fmt: skip


def _save(figure: plt.Figure, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.set_layout_engine("constrained")
    # Without the library's version in it, the same numbers give the same file.
    figure.savefig(file, dpi=130, metadata={"Software": None})
    plt.close(figure)
