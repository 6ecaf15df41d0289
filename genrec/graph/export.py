"""Parts of the graph as networkx graphs, and these as GraphML (for Gephi and others) and JSON.

A file of a whole graph of millions of events is of no use; the ``ego_graph`` of a node and the
``overview`` of all interests are.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genrec.errors import DataError
from genrec.graph.communities import find_communities
from genrec.graph.graph import InterestGraph
from genrec.graph.nodes import FOLLOWS, RELATIONS, USER_INTEREST, Edge, Kind, Node

if TYPE_CHECKING:
    from networkx import DiGraph

MAX_EDGES = 200_000
# XML 1.0 has no way to write these.
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def ego_graph(
    graph: InterestGraph,
    node: Node,
    hops: int = 2,
    k: int = 8,
    at: float | None = None,
    through_users: bool = False,
) -> DiGraph:
    """Return what lies around a node.

    Args:
        graph: Where to look.
        node: In the middle.
        hops: Steps to go from it.
        k: Heaviest edges of each relation and direction to follow from a node.
        at: Moment that weights fade to, seconds; None: the newest event's.
        through_users: Whether other users may be shown.
    """
    network = _empty(node.name)
    _add_node(network, graph, node, focus=True)
    edge_nodes, seen = [node], {node}
    for _ in range(hops):
        following = []
        for one in edge_nodes:
            for found in graph.neighbours(one, k=k, at=at):
                if found.node.kind == "user" and found.node != node and not through_users:
                    continue
                _add_edge(network, graph, found.edge)
                if found.node not in seen:
                    seen.add(found.node)
                    following.append(found.node)
        edge_nodes = following
    return network


def overview(graph: InterestGraph, depth: int = 1, seed: int = 0) -> DiGraph:
    """Return all interests of one depth, what follows what, and their communities' numbers."""
    network = _empty("interests")
    for number, prefix in enumerate(graph.interests):
        if len(prefix) == depth:
            _add_node(network, graph, graph.node_at("interest", number))
    follows = graph.relations[FOLLOWS].matrix((0, 0)).tocoo()
    for source, target, weight in zip(*follows.coords, follows.data, strict=True):
        if len(graph.interests[source]) == depth and weight > 0:
            _add_edge(network, graph, graph.edge(FOLLOWS, int(source), int(target), float(weight)))
    for number, community in enumerate(find_communities(graph, depth, seed=seed), 1):
        for node in community.interests:
            network.nodes[node.node_id]["community"] = number
    return network


def to_networkx(graph: InterestGraph, max_edges: int = MAX_EDGES) -> DiGraph:
    """Return the whole graph.

    Raises:
        DataError: It has more than ``max_edges`` edges.
    """
    count = sum(map(len, graph.relations.values()))
    if count > max_edges:
        raise DataError(
            f"the graph has {count} edges, more than the {max_edges} that a file may hold; "
            "export what lies around a user or an interest, or raise the limit"
        )
    network = _empty("interest graph")
    for kind in ("user", "interest", "item", "word"):
        for number in range(graph.size(kind)):
            _add_node(network, graph, graph.node_at(kind, number))
    for name in RELATIONS:
        edges = graph.relations[name].matrix((0, 0)).tocoo()
        for source, target, weight in zip(*edges.coords, edges.data, strict=True):
            _add_edge(network, graph, graph.edge(name, int(source), int(target), float(weight)))
    return network


def write_graphml(network: DiGraph, path: Path | str) -> None:
    """Write GraphML; characters that XML cannot hold become U+FFFD."""
    import networkx as nx

    clean = nx.relabel_nodes(network, {node: _xml(node) for node in network})
    clean.graph = {key: _xml(value) for key, value in network.graph.items()}
    for _, values in [*clean.nodes(data=True), *((0, v) for *_, v in clean.edges(data=True))]:
        values.update({key: _xml(value) for key, value in values.items()})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    nx.write_graphml_xml(clean, path)


def read_graphml(path: Path | str) -> DiGraph:
    """Read what ``write_graphml`` wrote."""
    import networkx as nx

    return nx.read_graphml(path)


def write_json(network: DiGraph, path: Path | str) -> None:
    """Write node-link JSON; ``networkx.node_link_graph(content, edges="edges")`` reads it."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_json(network), ensure_ascii=False, indent=1)
    Path(path).write_text(text + "\n", encoding="utf-8")


def to_json(network: DiGraph) -> dict[str, Any]:
    """Return a graph as plain data: lists of nodes and of edges."""
    import networkx as nx

    return dict(nx.node_link_data(network, edges="edges"))


def _empty(title: str) -> DiGraph:
    import networkx as nx

    return nx.DiGraph(title=title)


def _add_node(network: DiGraph, graph: InterestGraph, node: Node, focus: bool = False) -> None:
    network.add_node(
        node.node_id, kind=node.kind, label=node.name, weight=_total(graph, node), focus=focus
    )


def _add_edge(network: DiGraph, graph: InterestGraph, edge: Edge) -> None:
    for node in (edge.source, edge.target):
        if node.node_id not in network:
            _add_node(network, graph, node)
    network.add_edge(
        edge.source.node_id,
        edge.target.node_id,
        relation=edge.relation,
        weight=edge.weight,
        strength=edge.strength,
    )


def _total(graph: InterestGraph, node: Node) -> float:
    """Return the faded weight of all that users and a node have with each other."""
    number = graph.index_of(node)
    relation, rows = _MEASURED[node.kind]
    if relation is None:
        return 1.0
    sums = graph.relations[relation].row_sums if rows else graph.relations[relation].column_sums
    return float(np.float64(sums[number]) * graph.fade()) if number < len(sums) else 0.0


_MEASURED: dict[Kind, tuple[str | None, bool]] = {
    "user": ("user-item", True),
    "item": ("user-item", False),
    "interest": (USER_INTEREST, False),
    "word": (None, False),
}


def _xml(value: Any) -> Any:
    return _NOT_IN_XML.sub("\ufffd", value) if isinstance(value, str) else value
