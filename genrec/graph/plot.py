"""A picture of a small graph."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.errors import ConfigError, DataError
from genrec.plotting import BLUE, COLOURS, GREEN, RED, open_axes, picture, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from networkx import DiGraph

GREY = "#999999"
KIND_COLOURS = {"user": RED, "interest": BLUE, "item": GREEN, "word": GREY}
MARKERS = {"user": "*", "interest": "o", "item": "s", "word": "D"}
COMMUNITY_COLOURS = (*COLOURS, GREY)
SIZE = (13, 9.5)
"""Inches of a picture with room for all labels."""
MAX_NODES = 300
MAX_LABELS = 70
LINES_PER_NODE = 1.5
MAX_LABEL_CHARS = 26


def plot_network(network: DiGraph, ax: Axes | None = None) -> Axes:
    """Draw a small graph.

    Args:
        network: From ``ego_graph`` or ``overview``; at most ``MAX_NODES`` nodes.
        ax: Where to draw; None: a new figure.

    Returns:
        The axes.

    Raises:
        ConfigError: The libraries that draw are not installed.
        DataError: Nothing to draw, or too much to be read.
    """
    if not 0 < len(network) <= MAX_NODES:
        raise DataError(
            f"a picture of {len(network)} nodes: give from 1 to {MAX_NODES}, such as what lies "
            "around one user or interest"
        )
    if importlib.util.find_spec("adjustText") is None:
        raise ConfigError("drawing needs adjustText: pip install 'genrec[interests]'")
    with open_axes(ax, SIZE) as axes:
        lines = _strongest(network)
        places = _layout(network, lines)
        axes.set_axis_off()
        axes.margins(0.08)
        _draw_lines(axes, lines, places)
        _draw_nodes(axes, network, places)
        axes.set_title(plain(network.graph.get("title", "")), loc="left", fontsize=14)
        legend = axes.legend(loc="upper left", ncols=8, frameon=False, bbox_to_anchor=(0, 0))
        for handle in legend.legend_handles:
            handle.set(sizes=[70])  # type: ignore[union-attr]
        _label(axes, network, places)
    return axes


def write_picture(network: DiGraph, path: Path | str) -> None:
    """Write what ``plot_network`` draws; the ending of the name tells the format.

    Raises:
        ConfigError: The libraries that draw are not installed, or nothing can be written there.
        DataError: Nothing to draw, or too much to be read.
    """
    with picture(path, SIZE) as figure:
        plot_network(network, figure.add_subplot())


def _strongest(network: DiGraph) -> list[tuple[str, str, float]]:
    """Return the links worth drawing: what holds all together, and the strongest of the others.

    Where all is linked to all, lines between all would show nothing.
    """
    import networkx as nx

    flat = nx.Graph()
    for source, target, strength in network.edges(data="strength"):
        known = flat.get_edge_data(source, target, {"strength": 0.0})["strength"]
        flat.add_edge(source, target, strength=max(known, strength))
    kept = nx.maximum_spanning_tree(flat, weight="strength")
    by_strength = sorted(flat.edges(data="strength"), key=lambda edge: -edge[2])
    kept.add_weighted_edges_from(by_strength[: int(LINES_PER_NODE * len(flat))], weight="strength")
    return list(kept.edges(data="strength"))


def _layout(network: DiGraph, lines: list[tuple[str, str, float]]) -> dict[str, np.ndarray]:
    import networkx as nx

    flat = nx.Graph()
    flat.add_nodes_from(network)
    most = max((strength for *_, strength in lines), default=1.0) or 1.0
    for source, target, strength in lines:
        flat.add_edge(source, target, length=1.6 - (strength / most) ** 0.5)
    parts = sorted(nx.connected_components(flat), key=len, reverse=True)
    # A part of its own would be laid over the others, or pushed out of sight.
    for part in parts[1:]:
        flat.add_edge(next(iter(parts[0])), next(iter(part)), length=4.0)
    return dict(nx.kamada_kawai_layout(flat, weight="length"))


def _sizes(network: DiGraph) -> dict[str, float]:
    """Return the areas of the marks, by weight within a kind, points squared."""
    most: dict[str, float] = {}
    for _, values in network.nodes(data=True):
        most[values["kind"]] = max(most.get(values["kind"], 0.0), values["weight"])
    return {
        node: 18
        if values["kind"] == "word"
        else 50 + 250 * (values["weight"] / (most[values["kind"]] or 1.0)) ** 0.5
        for node, values in network.nodes(data=True)
    }


def _draw_lines(
    axes: Any, lines: list[tuple[str, str, float]], places: dict[str, np.ndarray]
) -> None:
    from matplotlib.collections import LineCollection

    most = max((strength for *_, strength in lines), default=1.0) or 1.0
    shares = [(strength / most) ** 0.5 for *_, strength in lines]
    drawn = LineCollection(
        [np.stack([places[source], places[target]]) for source, target, _ in lines],
        linewidths=[0.6 + 2.2 * share for share in shares],
        colors=[(0.4, 0.4, 0.4, 0.2 + 0.5 * share) for share in shares],
        zorder=1,
    )
    axes.add_collection(drawn)


def _draw_nodes(axes: Any, network: DiGraph, places: dict[str, np.ndarray]) -> None:
    sizes = _sizes(network)
    groups: dict[tuple[str, int], list[str]] = {}
    for node, values in network.nodes(data=True):
        groups.setdefault((values["kind"], values.get("community", 0)), []).append(node)
    for (kind, community), nodes in sorted(groups.items()):
        points = np.stack([places[node] for node in nodes])
        last = len(COMMUNITY_COLOURS)
        colour = COMMUNITY_COLOURS[min(community, last) - 1] if community else KIND_COLOURS[kind]
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
    from adjustText import adjust_text
    from matplotlib.patheffects import withStroke

    order = sorted(
        network.nodes(data=True),
        key=lambda one: (not one[1]["focus"], one[1]["kind"] == "word", -one[1]["weight"]),
    )
    texts = []
    x, y = np.stack([places[node] for node in network]).T
    # Off its mark, so that a label that need not move does not cover it.
    shift = 0.008 * np.array([np.ptp(x), 1.5 * np.ptp(y)])
    for node, values in order[:MAX_LABELS]:
        word = values["kind"] == "word"
        texts.append(
            axes.text(
                *(places[node] + shift),
                plain(values["label"], MAX_LABEL_CHARS),
                fontsize=8 if word else 9.5,
                style="italic" if word else "normal",
                color="#555555" if word else "black",
                weight="bold" if values["focus"] else "normal",
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
                zorder=3,
            )
        )
    adjust_text(
        texts,
        x=x,
        y=y,
        ax=axes,
        ensure_inside_axes=True,
        expand=(1.05, 1.25),
        iter_lim=400,
        min_arrow_len=12,
        arrowprops={"arrowstyle": "-", "color": "#999999", "lw": 0.5},
    )
