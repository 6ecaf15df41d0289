"""The interest graph: users, interests, items and words, linked by weights that fade.

Imports without torch; networkx and matplotlib load when something is exported or drawn.
"""

from genrec.graph.build import build_graph, graph_histories
from genrec.graph.communities import Community, find_communities
from genrec.graph.config import GraphConfig
from genrec.graph.export import (
    ego_graph,
    overview,
    read_graphml,
    to_json,
    to_networkx,
    write_graphml,
    write_json,
)
from genrec.graph.graph import InterestGraph
from genrec.graph.nodes import Edge, Neighbour, Node
from genrec.graph.paths import GraphPath, find_path
from genrec.graph.plot import plot_network, write_picture

__all__ = [
    "Community",
    "Edge",
    "GraphConfig",
    "GraphPath",
    "InterestGraph",
    "Neighbour",
    "Node",
    "ego_graph",
    "build_graph",
    "plot_network",
    "find_communities",
    "find_path",
    "graph_histories",
    "overview",
    "read_graphml",
    "to_json",
    "to_networkx",
    "write_graphml",
    "write_json",
    "write_picture",
]
