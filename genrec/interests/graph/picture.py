"""A picture of a small graph, in colours that colour-blind readers tell apart.

Source of the colours: Okabe and Ito 2008, "Color universal design".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.errors import DataError

if TYPE_CHECKING:
    from networkx import DiGraph

COLOURS = {"user": "#D55E00", "interest": "#0072B2", "item": "#009E73", "word": "#999999"}
MARKERS = {"user": "*", "interest": "o", "item": "s", "word": "D"}
COMMUNITY_COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999",
)  # fmt: skip
MAX_NODES = 300
MAX_LABELS = 60
MAX_LINES = 600
_LABEL_CHARS = 26
_FONTS = ("DejaVu Sans", "Noto Sans", "Noto Sans CJK JP", "Noto Sans Arabic", "Unifont")


def draw(network: DiGraph, path: Path | str, seed: int = 0) -> None:
    """Write a picture; the ending of the name tells its format.

    Args:
        network: From ``around`` or ``overview``; at most ``MAX_NODES`` nodes.
        path: Such as "graph.png" or "graph.svg".
        seed: Of the places of the nodes.

    Raises:
        DataError: Nothing to draw, or too much to be read.
    """
    if not 0 < len(network) <= MAX_NODES:
        raise DataError(
            f"a picture of {len(network)} nodes: give from 1 to {MAX_NODES}, such as what lies "
            "around one user or interest"
        )
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.family": _installed_fonts()}):
        # Not through pyplot, which needs a display and keeps figures alive.
        figure = Figure(figsize=(13, 9.5), layout="constrained")
        axes = figure.add_subplot()
        places = _layout(network, seed)
        _draw_lines(axes, network, places)
        _draw_nodes(axes, network, places)
        _label(axes, network, places)
        axes.set_title(network.graph.get("title", ""), loc="left", fontsize=13)
        axes.legend(loc="upper right", frameon=False, fontsize=10)
        axes.margins(0.09)
        axes.set_axis_off()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _layout(network: DiGraph, seed: int) -> dict[str, np.ndarray]:
    import networkx as nx

    flat = nx.Graph()
    flat.add_nodes_from(network)
    for source, target, strength in network.edges(data="strength"):
        known = flat.get_edge_data(source, target, {"near": 0.0})["near"]
        flat.add_edge(source, target, near=max(known, strength) ** 0.5)
    # Where all is linked to all, only the strong links tell where something belongs.
    if flat.number_of_edges() > 4 * len(flat):
        kept = nx.maximum_spanning_tree(flat, weight="near")
        strongest = sorted(flat.edges(data="near"), key=lambda edge: -edge[2])[: 2 * len(flat)]
        kept.add_weighted_edges_from(strongest, weight="near")
        flat = kept
    return nx.forceatlas2_layout(
        flat, seed=seed, max_iter=600, scaling_ratio=3.0, strong_gravity=False, weight="near"
    )


def _sizes(network: DiGraph) -> dict[str, float]:
    """Return the areas of the marks, by weight within a kind, points squared."""
    most: dict[str, float] = {}
    for _, values in network.nodes(data=True):
        most[values["kind"]] = max(most.get(values["kind"], 0.0), values["weight"])
    return {
        node: 70 + 330 * (values["weight"] / (most[values["kind"]] or 1.0)) ** 0.5
        for node, values in network.nodes(data=True)
    }


def _draw_lines(axes: Any, network: DiGraph, places: dict[str, np.ndarray]) -> None:
    from matplotlib.collections import LineCollection

    strongest = sorted(network.edges(data="strength"), key=lambda edge: edge[2])[-MAX_LINES:]
    most = max((strength for *_, strength in strongest), default=1.0) or 1.0
    lines = LineCollection(
        [np.stack([places[source], places[target]]) for source, target, _ in strongest],
        linewidths=[0.4 + 2.6 * strength / most for *_, strength in strongest],
        colors=[(0.35, 0.35, 0.35, 0.08 + 0.5 * strength / most) for *_, strength in strongest],
        zorder=1,
    )
    axes.add_collection(lines)


def _draw_nodes(axes: Any, network: DiGraph, places: dict[str, np.ndarray]) -> None:
    sizes = _sizes(network)
    groups: dict[tuple[str, int], list[str]] = {}
    for node, values in network.nodes(data=True):
        groups.setdefault((values["kind"], values.get("community", 0)), []).append(node)
    for (kind, community), nodes in sorted(groups.items()):
        points = np.stack([places[node] for node in nodes])
        last = len(COMMUNITY_COLOURS)
        colour = COMMUNITY_COLOURS[min(community, last) - 1] if community else COLOURS[kind]
        axes.scatter(
            *points.T,
            s=[sizes[node] * (2 if network.nodes[node]["focus"] else 1) for node in nodes],
            c=colour,
            marker=MARKERS[kind],
            edgecolors="white",
            linewidths=0.8,
            label=f"community {community}" if community else kind,
            zorder=2,
        )


def _label(axes: Any, network: DiGraph, places: dict[str, np.ndarray]) -> None:
    from matplotlib.patheffects import withStroke

    order = sorted(
        network.nodes(data=True),
        key=lambda one: (not one[1]["focus"], one[1]["kind"] == "word", -one[1]["weight"]),
    )
    for node, values in order[:MAX_LABELS]:
        name = values["label"]
        name = name if len(name) <= _LABEL_CHARS else name[: _LABEL_CHARS - 1] + "…"
        axes.annotate(
            # A dollar sign would begin a formula.
            name.replace("$", r"\$"),
            places[node],
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8 if values["kind"] == "word" else 9,
            weight="bold" if values["focus"] else "normal",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            zorder=3,
        )


def _installed_fonts() -> list[str]:
    from matplotlib.font_manager import get_font_names

    installed = set(get_font_names())
    return [font for font in _FONTS if font in installed]
