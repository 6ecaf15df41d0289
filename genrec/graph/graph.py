"""The interest graph: what is linked to what, how strongly, and one event more.

Weights fade by half-lives. They are kept as they were at one reference time, so that an event adds
to its own edges and touches nothing else: what fades alike needs no touching.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import sqrt

import numpy as np

from genrec.display import HtmlRepr, Table
from genrec.errors import DataError
from genrec.graph.config import GraphConfig
from genrec.graph.event_weights import EventWeights
from genrec.graph.nodes import (
    FADING,
    FOLLOWS,
    KINDS,
    RELATIONS,
    USER_INTEREST,
    USER_ITEM,
    Edge,
    Kind,
    Neighbour,
    Neighbours,
    Node,
)
from genrec.graph.relation import Relation
from genrec.schema import Event, SemanticId
from genrec.semantic_ids.table import NamedCodes

DAY_S = 86_400
# Far below what float64 holds, 1023 doublings.
_MAX_HALF_LIVES = 500.0
_MOST_DOUBLINGS = 1000.0


class InterestGraph(HtmlRepr):
    """A store of weighted edges with the names of its nodes; ``build_graph`` makes one.

    Attributes:
        config: See ``GraphConfig``.
        table: Semantic IDs and names of interests.
        relations: Edges by the name of their relation; see ``nodes.RELATIONS``.
        now: Moment of the newest event, seconds: what weights fade to unless told otherwise.
        interests: Prefixes by their number.
    """

    def __init__(
        self,
        config: GraphConfig,
        table: NamedCodes,
        keys: dict[Kind, Iterable[str]],
        interests: list[SemanticId],
        relations: dict[str, Relation],
        reference: float | None,
        recent: np.ndarray,
        titles: dict[str, str],
    ):
        """Put the parts together; see ``build.graph_histories``.

        Args:
            config: Settings.
            table: Semantic IDs.
            keys: Of users, items and words, in the order of their numbers.
            interests: Prefixes, in the order of their numbers.
            relations: One for every name in ``RELATIONS``.
            reference: Moment at which the fading relations hold, seconds; None: no event yet.
            recent: Numbers of each user's last items, newest first, -1 for none.
                Shape: (num_users, window).
            titles: Names of items.
        """
        self.config = config
        self.table = table
        self.relations = relations
        self.interests = interests
        self.now = reference
        self._reference = reference
        self._keys: dict[Kind, list[str]] = {kind: list(found) for kind, found in keys.items()}
        self._keys["interest"] = [_key(prefix) for prefix in interests]
        self._index: dict[Kind, dict[str, int]] = {
            kind: {key: n for n, key in enumerate(self._keys[kind])} for kind in KINDS
        }
        self._names = {table.name_of(prefix): n for n, prefix in reversed([*enumerate(interests)])}
        self._titles = titles
        self._recent = recent
        self._newer: dict[int, list[int]] = {}
        self._event_weights = EventWeights(config)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{self.size(kind):,} {kind}s" for kind in KINDS)
        return f"<{type(self).__name__} of {sizes}>"

    def _shown(self) -> Iterator[Table]:
        nodes = ((f"{kind}s", f"{self.size(kind):,}") for kind in KINDS)
        edges = ((name, f"{len(relation):,}") for name, relation in self.relations.items())
        yield Table(("nodes and edges", "count"), (*nodes, *edges), "Interest graph")

    def size(self, kind: Kind) -> int:
        """Return the number of nodes of a kind."""
        return len(self._keys[kind])

    def node(self, kind: Kind, key: str) -> Node:
        """Return a node by its key; an interest also by its name.

        Raises:
            DataError: There is none.
        """
        number = self._index[kind].get(key)
        if number is None and kind == "interest":
            number = self._names.get(key)
        if number is None:
            raise DataError(f"no {kind} '{key}' in the graph of {self.size(kind)} {kind}s")
        return self.node_at(kind, number)

    def node_at(self, kind: Kind, number: int) -> Node:
        """Return a node by its number."""
        key = self._keys[kind][number]
        name = key
        if kind == "interest":
            name = self.table.name_of(self.interests[number])
        elif kind == "item":
            name = self._titles.get(key, key)
        return Node(kind, key, name)

    def index_of(self, node: Node) -> int:
        """Return a node's number among those of its kind.

        Raises:
            DataError: The graph does not hold it.
        """
        return self._index[node.kind][self.node(node.kind, node.key).key]

    def update(self, event: Event) -> None:
        """Add one event. Takes time in proportion to the window, whatever the graph's size.

        Events are to come in the order of their times, a user's at least: what one follows are the
        events that came before it. An event counts as old as it is, however late it comes.
        """
        user = self._number("user", event.user_id)
        item = self._number("item", event.item_id)
        weight = self._event_weights.weigh(event) * self._growth(event.timestamp)
        self.relations[USER_ITEM].add(user, item, weight)
        mine = self.interests_of(item)
        for interest in mine:
            if interest >= 0:
                self.relations[USER_INTEREST].add(user, interest, weight)
        recent = self._recent_of(user)
        for distance, before in enumerate(recent, 1):
            for earlier, interest in zip(self.interests_of(before), mine, strict=True):
                if earlier >= 0 <= interest and earlier != interest:
                    self.relations[FOLLOWS].add(earlier, interest, weight / distance)
        self._newer[user] = [item, *recent][: self.config.window]
        self.now = event.timestamp if self.now is None else max(self.now, event.timestamp)

    def compact(self) -> None:
        """Tidy what updates left, for memory's sake; takes time in proportion to the graph."""
        for relation in self.relations.values():
            relation.compact()

    @property
    def pending(self) -> int:
        """Edges made by updates since the last ``compact``."""
        return sum(relation.pending for relation in self.relations.values())

    def interests_of(self, item: int) -> list[int]:
        """Return the number of an item's interest at each depth, -1 for none."""
        item_id = self._keys["item"][item] if item >= 0 else None
        if item_id is None or not self.table.knows(item_id):
            return [-1] * len(self.config.depths)
        codes = self.table.codes_of(item_id)
        index = self._index["interest"]
        return [index.get(_key(codes[:depth]), -1) for depth in self.config.depths]

    def neighbours(
        self, node: Node, kind: Kind | None = None, k: int | None = 10, at: float | None = None
    ) -> Neighbours:
        """Return the nodes next to one, kind by kind, those with the heaviest edge first.

        Args:
            node: Where to look.
            kind: Of the nodes to return; None: every kind.
            k: Most nodes of a relation and direction; None: all.
            at: Moment that weights fade to, seconds; None: the newest event's.
        """
        number, found = self.index_of(node), Neighbours()
        for name, (source, target) in RELATIONS.items():
            ends: list[tuple[bool, Kind]] = []
            ends += [(True, target)] if node.kind == source else []
            ends += [(False, source)] if node.kind == target else []
            for forward, other_kind in ends:
                if kind in (None, other_kind):
                    relation = self.relations[name]
                    others, weights = relation.row(number) if forward else relation.column(number)
                    for place in np.argsort(-weights, kind="stable")[:k]:
                        other = int(others[place])
                        ends_of = (number, other) if forward else (other, number)
                        edge = self.edge(name, *ends_of, float(weights[place]), at)
                        if edge.weight > 0:
                            found.append(Neighbour(edge.target if forward else edge.source, edge))
        found.sort(key=lambda one: KINDS.index(one.node.kind))
        return found

    def edge(
        self, name: str, source: int, target: int, weight: float, at: float | None = None
    ) -> Edge:
        """Return an edge by its numbers and its weight at the reference time."""
        kinds, relation = RELATIONS[name], self.relations[name]
        total = sqrt(relation.row_sums[source]) * sqrt(relation.column_sums[target])
        return Edge(
            self.node_at(kinds[0], source),
            self.node_at(kinds[1], target),
            name,
            weight * self.fade(at) if name in FADING else weight,
            min(1.0, weight / total) if total > 0 else 0.0,
        )

    def weight_of(
        self, relation: str, source: Node, target: Node, at: float | None = None
    ) -> float:
        """Return the faded weight of an edge; 0 where there is none."""
        columns, weights = self.relations[relation].row(self.index_of(source))
        weight = float(weights[columns == self.index_of(target)].sum())
        return weight * self.fade(at) if relation in FADING else weight

    def fade(self, at: float | None = None) -> float:
        """Return what stored weights of fading relations are to be multiplied by."""
        moment = self.now if at is None else at
        if moment is None or self._reference is None:
            return 1.0
        half_lives = (self._reference - moment) / self._half_life_s
        return float(2.0 ** min(_MOST_DOUBLINGS, half_lives))

    def growth(self, timestamp: float) -> float:
        """Return the stored weight of an event of weight 1."""
        if self._reference is None:
            return 1.0
        half_lives = (timestamp - self._reference) / self._half_life_s
        return float(2.0 ** min(_MOST_DOUBLINGS, half_lives))

    def weigh(self, event: Event) -> float:
        """Return the stored weight of an event, for events that are not in the graph."""
        return self._event_weights.weigh(event) * self.growth(event.timestamp)

    def find(self, kind: Kind, key: str) -> int | None:
        """Return the number of a node, None where the graph does not hold it."""
        return self._index[kind].get(key)

    @property
    def _half_life_s(self) -> float:
        return self.config.half_life_days * DAY_S

    def _growth(self, timestamp: int) -> float:
        """Return the stored weight of a new event, after moving the reference where it must."""
        if self._reference is None:
            self._reference = timestamp
        if timestamp - self._reference > _MAX_HALF_LIVES * self._half_life_s:
            factor = self.fade(timestamp)
            for name in FADING:
                self.relations[name].scale(factor)
            self._reference = timestamp
        return self.growth(timestamp)

    def _number(self, kind: Kind, key: str) -> int:
        index = self._index[kind]
        number = index.setdefault(key, len(index))
        if number == len(self._keys[kind]):
            self._keys[kind].append(key)
        return number

    def _recent_of(self, user: int) -> list[int]:
        if user in self._newer:
            return self._newer[user]
        if user >= len(self._recent):
            return []
        return [item for item in self._recent[user].tolist() if item >= 0]


def _key(prefix: SemanticId) -> str:
    return ".".join(map(str, prefix))
