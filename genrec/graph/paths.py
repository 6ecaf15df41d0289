"""The strongest way from one node to another: what links a user to an item, in names.

An edge's strength lies between 0 and 1, and a path's is the product of its edges', so that the
strongest path is the shortest one in negative logarithms (Dijkstra's algorithm, from scipy). Every
step has a cost of its own beside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np

from genrec.display import ShortRepr
from genrec.errors import ConfigError
from genrec.graph.graph import InterestGraph
from genrec.graph.nodes import (
    KINDS,
    RELATIONS,
    USER_INTEREST,
    USER_ITEM,
    Edge,
    Kind,
    Node,
)
from genrec.schema import History

MAX_STEPS = 4
STEP_COST = 1.0
"""One step more must make a path e times stronger: a long way explains little."""
_KIND_BITS = 40
_Place = tuple[Kind, int]
_Edges = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Codes of the ends, and strengths. Shape of each: (edges,)."""


@dataclass(frozen=True, repr=False)
class GraphPath(ShortRepr):
    """A way through the graph.

    Attributes:
        nodes: From one end to the other.
        edges: Between them, each in its own direction; one fewer than nodes.
        strength: Product of the edges' strengths, 0 to 1.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    strength: float

    def __str__(self) -> str:
        return " → ".join(node.name for node in self.nodes)


def find_path(
    graph: InterestGraph,
    source: Node | History | str,
    target: Node | str,
    relations: Collection[str] | None = None,
    through_users: bool = False,
) -> GraphPath | None:
    """Return the strongest short path between two nodes.

    Of all paths of up to ``MAX_STEPS`` edges none has a higher strength times e to the power of
    minus ``STEP_COST`` times its edges; a longer path is returned only where it has.

    Args:
        graph: Where to look.
        source: A node, the ID of a user, or the events of somebody who need not be in the graph.
            These events are weighed as the graph's own, and nothing of them is kept.
        target: A node, or the ID of an item.
        relations: Names of the relations that may be walked; None: all. "user-item" and
            "item-interest" alone give paths over a user's own events.
        through_users: Whether other users may lie on the path. They tell one user of another's
            acts, and make the search as slow as items are popular.

    Returns:
        None where no path of up to ``MAX_STEPS`` edges leads there.

    Raises:
        ConfigError: An unknown relation.
        DataError: A node that the graph does not hold.
    """
    unknown = set(relations or ()) - set(RELATIONS)
    if unknown:
        raise ConfigError(f"no relation '{min(unknown)}'; relations are {', '.join(RELATIONS)}")
    if isinstance(source, str):
        source = graph.node("user", source)
    if isinstance(target, str):
        target = graph.node("item", target)
    end: _Place = (target.kind, graph.index_of(target))
    search = _Search(graph, set(relations or RELATIONS), through_users)
    if isinstance(source, History):
        start: _Place = ("user", -1)
        search.join(source)
    else:
        start = (source.kind, graph.index_of(source))
    return search.run(start, end)


class _Search:
    """Gathers the edges around both ends, then lets scipy find the way."""

    def __init__(self, graph: InterestGraph, relations: set[str], through_users: bool):
        self._graph = graph
        self._relations = {name: RELATIONS[name] for name in RELATIONS if name in relations}
        self._through_users = through_users
        self._guest: dict[str, dict[int, float]] = {}
        self._guest_name = ""

    def join(self, history: History) -> None:
        """Let somebody's events stand in the graph for this search."""
        graph = self._graph
        self._guest_name = history.user_id
        items: dict[int, float] = defaultdict(float)
        interests: dict[int, float] = defaultdict(float)
        for event in history.events:
            item = graph.find("item", event.item_id)
            if item is not None:
                weight = graph.weigh(event)
                items[item] += weight
                for interest in graph.interests_of(item):
                    if interest >= 0:
                        interests[interest] += weight
        self._guest = {USER_ITEM: items, USER_INTEREST: interests}

    def run(self, start: _Place, end: _Place) -> GraphPath | None:
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import dijkstra

        if start == end:
            return GraphPath((self._node(start),), (), 1.0)
        found = [edges for place in (start, end) for edges in self._around(place, {start, end})]
        first, second, strengths = (np.concatenate(column) for column in zip(*found, strict=True))
        places = np.unique(np.concatenate([first, second, [_code(start), _code(end)]]))
        rows, columns = np.searchsorted(places, first), np.searchsorted(places, second)
        # Of edges met from both sides, or in both directions, the strongest counts.
        order = np.lexsort((-strengths, np.maximum(rows, columns), np.minimum(rows, columns)))
        low, high = np.minimum(rows, columns)[order], np.maximum(rows, columns)[order]
        best = np.ones(len(order), bool)
        best[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        costs = STEP_COST - np.log(strengths[order][best])
        network = csr_array((costs, (low[best], high[best])), shape=(len(places), len(places)))
        source, target = np.searchsorted(places, [_code(start), _code(end)])
        lengths, before = dijkstra(
            network, directed=False, indices=source, return_predecessors=True
        )
        if not np.isfinite(lengths[target]):
            return None
        way = [int(target)]
        while way[-1] != source:
            way.append(int(before[way[-1]]))
        stops = [_place(int(places[n])) for n in reversed(way)]
        edges = [self._edge(a, b) for a, b in zip(stops, stops[1:], strict=False)]
        strength = exp(STEP_COST * len(edges) - lengths[target])
        return GraphPath(tuple(map(self._node, stops)), tuple(edges), min(1.0, strength))

    def _around(self, place: _Place, ends: set[_Place]) -> Iterator[_Edges]:
        """Yield the edges of a node and of the nodes next to it."""
        near = np.empty(0, np.int64)
        for edges in self._edges(place):
            yield edges
            near = np.union1d(near, edges[1])
        for code in near.tolist():
            if _place(code) not in ends:
                yield from self._edges(_place(code))

    def _edges(self, place: _Place) -> Iterator[_Edges]:
        kind, number = place
        for name, (source, target) in self._relations.items():
            if kind == source:
                yield self._pack(name, place, True)
            if kind == target and (source != "user" or self._through_users):
                yield self._pack(name, place, False)

    def _pack(self, name: str, place: _Place, forward: bool) -> _Edges:
        """Return a node's edges of one relation in one direction."""
        relation, (source, target) = self._graph.relations[name], self._relations[name]
        number, other_kind = place[1], target if forward else source
        if number < 0:
            margin = self._guest[name]
            others = np.fromiter(margin.keys(), np.int64, len(margin))
            weights = np.fromiter(margin.values(), np.float64, len(margin))
        else:
            others, weights = relation.row(number) if forward else relation.column(number)
        near_sums, far_sums = relation.row_sums, relation.column_sums
        if not forward:
            near_sums, far_sums = far_sums, near_sums
        total = sum(self._guest[name].values()) if number < 0 else near_sums[number]
        far = np.frombuffer(far_sums)[others] if len(others) else np.empty(0)
        far = np.maximum(far, weights)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            strengths = weights / (np.sqrt(total) * np.sqrt(far))
        # What has faded to nothing links nothing.
        kept = strengths > 0
        codes = (KINDS.index(other_kind) << _KIND_BITS) + others[kept].astype(np.int64) + 1
        return np.full(len(codes), _code(place)), codes, np.minimum(strengths[kept], 1.0)

    def _node(self, place: _Place) -> Node:
        if place[1] < 0:
            return Node("user", self._guest_name, self._guest_name)
        return self._graph.node_at(*place)

    def _edge(self, first: _Place, second: _Place) -> Edge:
        """Return the strongest edge between two nodes that are known to be linked."""
        found = []
        for name, kinds in self._relations.items():
            for source, target in ((first, second), (second, first)):
                if (source[0], target[0]) == kinds:
                    weight = self._weight(name, source[1], target[1])
                    if weight > 0:
                        found.append(self._named(name, source, target, weight))
        return max(found, key=lambda edge: edge.strength)

    def _weight(self, name: str, source: int, target: int) -> float:
        if source < 0:
            return self._guest.get(name, {}).get(target, 0.0)
        columns, weights = self._graph.relations[name].row(source)
        return float(weights[columns == target].sum())

    def _named(self, name: str, source: _Place, target: _Place, weight: float) -> Edge:
        if source[1] >= 0:
            return self._graph.edge(name, source[1], target[1], weight)
        total = sum(self._guest[name].values())
        far = max(self._graph.relations[name].column_sums[target[1]], weight)
        strength = min(1.0, weight / (sqrt(total) * sqrt(far)))
        faded = weight * self._graph.fade()
        return Edge(self._node(source), self._graph.node_at(*target), name, faded, strength)


def _code(place: _Place) -> int:
    """Return a number for a node of any kind; the guest has the number before the first user."""
    return (KINDS.index(place[0]) << _KIND_BITS) + place[1] + 1


def _place(code: int) -> _Place:
    return KINDS[code >> _KIND_BITS], (code & ((1 << _KIND_BITS) - 1)) - 1
