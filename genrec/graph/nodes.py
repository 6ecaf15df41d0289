"""The nouns of the graph: nodes of four kinds, and edges of seven relations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from genrec.display import HtmlRepr, Table

Kind = Literal["user", "interest", "item", "word"]
KINDS: tuple[Kind, ...] = get_args(Kind)

USER_ITEM, USER_INTEREST, FOLLOWS = "user-item", "user-interest", "interest-interest"
ITEM_INTEREST, PART, ITEM_WORD, INTEREST_WORD = (
    "item-interest", "interest-part", "item-word", "interest-word",
)  # fmt: skip

RELATIONS: dict[str, tuple[Kind, Kind]] = {
    USER_ITEM: ("user", "item"),
    USER_INTEREST: ("user", "interest"),
    FOLLOWS: ("interest", "interest"),
    ITEM_INTEREST: ("item", "interest"),
    PART: ("interest", "interest"),
    ITEM_WORD: ("item", "word"),
    INTEREST_WORD: ("interest", "word"),
}
"""Source and target of each relation. The target of "interest-interest" follows its source in
users' histories; the source of "interest-part" lies in its target, which is coarser."""

FADING = frozenset({USER_ITEM, USER_INTEREST, FOLLOWS})
"""Relations made by events. The others come from the catalogue and its words, and stay."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Attributes:
        kind: What it stands for.
        key: User ID, item ID, word, or codes of an interest joined by dots.
        name: For people.
    """

    kind: Kind
    key: str
    name: str = field(compare=False)

    @property
    def node_id(self) -> str:
        """Unique name in exports, such as "interest:3.17"."""
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge, in the direction of its relation.

    Attributes:
        source: See ``RELATIONS``.
        target: See ``RELATIONS``.
        relation: Name of the relation.
        weight: Faded to the moment asked about.
        strength: Weight over the root of the product of all that its source and its target have in
            this relation, 0 to 1: comparable between relations, the same at every moment.
    """

    source: Node
    target: Node
    relation: str
    weight: float
    strength: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A node next to the one asked about, and the edge between."""

    node: Node
    edge: Edge


class Neighbours(list[Neighbour], HtmlRepr):
    """Nodes next to one; a list that a notebook shows as a table."""

    def _shown(self) -> Iterator[Table]:
        rows = (
            (one.node.kind, one.node.name, one.edge.relation, f"{one.edge.weight:.2f}")
            for one in self
        )
        yield Table(("kind", "name", "relation", "weight"), rows)
