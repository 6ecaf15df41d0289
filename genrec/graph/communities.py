"""Interests that go together: communities of who follows whom in users' histories (Louvain).

Source: Blondel et al. 2008, "Fast unfolding of communities in large networks", as in networkx.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genrec.display import HtmlRepr, ShortRepr, Table
from genrec.errors import ConfigError
from genrec.graph.graph import InterestGraph
from genrec.graph.nodes import FOLLOWS, USER_INTEREST, Node

SHOWN_NAMES = 3


@dataclass(frozen=True, repr=False)
class Community(ShortRepr):
    """Interests that users have one after another.

    Attributes:
        name: Its strongest interests' names.
        interests: All of them, those with most weight first.
        weight: Their share of all weight between users and interests of this depth, 0 to 1.
    """

    name: str
    interests: tuple[Node, ...]
    weight: float


class Communities(list[Community], HtmlRepr):
    """Communities, the heaviest first; a list that a notebook shows as a table."""

    def _shown(self) -> Iterator[Table]:
        rows = ((one.name, len(one.interests), f"{one.weight:.0%}") for one in self)
        yield Table(("community", "interests", "weight"), rows)


def find_communities(
    graph: InterestGraph, depth: int = 1, resolution: float = 1.0, seed: int = 0
) -> Communities:
    """Return the communities of interests of one depth, the heaviest first.

    Interests that nobody had beside another stand alone and are left out, so that a graph without
    events has none.

    Args:
        graph: Where to look.
        depth: Length of the prefixes; one of ``GraphConfig.depths``.
        resolution: Above 1 smaller communities, below 1 larger ones.
        seed: Of the order in which interests are tried.

    Raises:
        ConfigError: The graph has no interests of this depth.
    """
    import networkx as nx

    if depth not in graph.config.depths:
        depths = ", ".join(map(str, graph.config.depths))
        raise ConfigError(f"the graph has no interests of depth {depth}, only of {depths}")
    follows = graph.relations[FOLLOWS].matrix((0, 0))
    both = (follows + follows.T).tocoo()
    network = nx.Graph()
    for first, second, weight in zip(*both.coords, both.data, strict=True):
        if first < second and weight > 0 and len(graph.interests[first]) == depth:
            network.add_edge(int(first), int(second), weight=float(weight))
    if not network:
        return Communities()
    # Louvain sums weights; those of old reference times would be tiny or huge.
    heaviest = max(weight for *_, weight in network.edges(data="weight"))
    for *_, values in network.edges(data=True):
        values["weight"] /= heaviest
    groups = nx.community.louvain_communities(network, resolution=resolution, seed=seed)
    weights = np.array(graph.relations[USER_INTEREST].column_sums)
    total = weights[[len(prefix) == depth for prefix in graph.interests]].sum()
    found = []
    for group in groups:
        members = sorted(group, key=lambda n: (-weights[n], n))
        nodes = tuple(graph.node_at("interest", n) for n in members)
        name = ", ".join(node.name for node in nodes[:SHOWN_NAMES])
        if len(nodes) > SHOWN_NAMES:
            name += f" and {len(nodes) - SHOWN_NAMES} more"
        share = float(weights[members].sum() / total) if total > 0 else 0.0
        found.append(Community(name, nodes, share))
    return Communities(sorted(found, key=lambda community: -community.weight))
