"""The interest graph: users, interests, items and words, linked by weights that fade.

Imports without torch; networkx and matplotlib load when something is exported or drawn.
"""

from genrec.interests.graph.build import build_graph, graph_histories
from genrec.interests.graph.communities import Community, find_communities
from genrec.interests.graph.config import GraphConfig
from genrec.interests.graph.export import (
    around,
    overview,
    read_graphml,
    to_json,
    whole,
    write_graphml,
    write_json,
)
from genrec.interests.graph.graph import InterestGraph
from genrec.interests.graph.nodes import Edge, Neighbour, Node
from genrec.interests.graph.paths import GraphPath, find_path
from genrec.interests.graph.picture import draw

__all__ = [
    "Community",
    "Edge",
    "GraphConfig",
    "GraphPath",
    "InterestGraph",
    "Neighbour",
    "Node",
    "around",
    "build_graph",
    "draw",
    "find_communities",
    "find_path",
    "graph_histories",
    "overview",
    "read_graphml",
    "to_json",
    "whole",
    "write_graphml",
    "write_json",
]
