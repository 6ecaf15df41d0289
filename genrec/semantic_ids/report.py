"""What there is to know about a table: how evenly its codes are used, and whether they mean much.

Enters: a table with its items and vectors. Leaves: a report, as JSON and as tables to print.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from rich.console import Group
from rich.table import Table

from genrec.schema import Item
from genrec.semantic_ids.linear import has_vector
from genrec.semantic_ids.table import SemanticIdTable

_NUM_NEIGHBOURS = 3
_NUM_EXAMPLES = 5
_NUM_NAMES = 12
# A category that nearly all items share tells nothing about a code.
_MAX_CATEGORY_SHARE = 0.9


@dataclass(frozen=True)
class Purity:
    """How well prefixes agree with categories.

    Attributes:
        measured: Share of items that have the commonest category of their prefix.
        random: The same with the IDs dealt out at random. Small groups are pure by chance.
    """

    measured: float
    random: float


@dataclass(frozen=True)
class LevelReport:
    """One level of the codes.

    Attributes:
        level: From 1.
        codes_used: Codes of this level that some item has.
        prefixes_used: Different prefixes down to this level.
        largest_prefix: Items of the commonest of them.
        entropy_bits: Of the level's codes over the items.
        entropy_share: Of what even use would give.
        coarse_purity: Of the prefixes, against the coarsest categories that differ; None
            without categories.
        fine_purity: The same, against the finest.
    """

    level: int
    codes_used: int
    prefixes_used: int
    largest_prefix: int
    entropy_bits: float
    entropy_share: float
    coarse_purity: Purity | None
    fine_purity: Purity | None


@dataclass(frozen=True)
class Neighbours:
    """A well-known item and the items nearest to it."""

    item: str
    semantic_id: tuple[int, ...]
    name: str
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class IndexReport:
    """What ``build_index`` tells about its table.

    Attributes:
        num_items: Items.
        num_levels: Codes of an ID.
        codebook_size: Codes of a level.
        collisions: Items that share an ID with another; always 0.
        unknown_items: Items of which nothing is known, neither text nor behaviour.
        levels: Coarse to fine.
        neighbours: For a few well-known items.
        names: Of the largest groups, with their numbers of items.
    """

    num_items: int
    num_levels: int
    codebook_size: int
    collisions: int
    unknown_items: int
    levels: tuple[LevelReport, ...]
    neighbours: tuple[Neighbours, ...]
    names: tuple[tuple[str, int], ...]

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    def table(self) -> Group:
        """Return the report as tables for a terminal."""
        return Group(self._levels_table(), self._names_table(), self._neighbours_table())

    def _levels_table(self) -> Table:
        title = (
            f"{self.num_items} items · {self.num_levels} levels of {self.codebook_size} codes · "
            f"{self.collisions} collisions"
        )
        table = Table(title=title, title_justify="left")
        for column in ("level", "codes", "prefixes", "largest", "entropy, bits", "of max."):
            table.add_column(column, justify="right")
        for column in ("coarse purity (random)", "fine purity (random)"):
            table.add_column(column, justify="right")
        for level in self.levels:
            table.add_row(
                str(level.level),
                str(level.codes_used),
                str(level.prefixes_used),
                str(level.largest_prefix),
                f"{level.entropy_bits:.2f}",
                f"{level.entropy_share:.0%}",
                _show(level.coarse_purity),
                _show(level.fine_purity),
            )
        return table

    def _names_table(self) -> Table:
        table = Table(title="largest groups", title_justify="left")
        table.add_column("interest", overflow="fold")
        table.add_column("items", justify="right")
        for name, count in self.names:
            table.add_row(name, str(count))
        return table

    def _neighbours_table(self) -> Table:
        table = Table(title="nearest neighbours", title_justify="left")
        for column in ("item", "semantic ID", "interest", "nearest"):
            table.add_column(column, overflow="fold")
        for row in self.neighbours:
            codes = " ".join(map(str, row.semantic_id))
            table.add_row(row.item, codes, row.name, "\n".join(row.nearest))
        return table


def make_report(
    table: SemanticIdTable,
    items: Sequence[Item],
    vectors: np.ndarray,
    popularity: np.ndarray,
    seed: int,
) -> IndexReport:
    """Measure a table.

    Args:
        table: Of exactly these items, in this order.
        items: The catalogue.
        vectors: Joined vectors. Shape: (N, D).
        popularity: Training events of each item. Shape: (N,).
        seed: Of the random assignment that purity is held against.
    """
    prefixes = [tuple(codes) for codes in table.codes.tolist()]
    first_codes = Counter(prefix[:1] for prefix in prefixes)
    largest = sorted(first_codes, key=lambda prefix: (-first_codes[prefix], prefix))
    return IndexReport(
        num_items=len(table),
        num_levels=table.num_levels,
        codebook_size=table.codebook_size,
        collisions=len(table) - len(set(prefixes)),
        unknown_items=int((~has_vector(vectors)).sum()),
        levels=tuple(_levels(table, items, seed)),
        neighbours=tuple(_neighbours(table, items, vectors, popularity)),
        names=tuple((table.name_of(p), first_codes[p]) for p in largest[:_NUM_NAMES]),
    )


def entropy_bits(codes: np.ndarray) -> float:
    """Return the entropy of the codes' frequencies, in bits.

    >>> entropy_bits(np.array([0, 0, 1, 1]))
    1.0
    """
    counts = np.unique(codes, return_counts=True)[1]
    shares = counts / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def purity(groups: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of rows that have the commonest label of their group.

    >>> purity(np.array([0, 0, 0, 1]), np.array([5, 5, 6, 6]))
    0.75
    """
    pairs, counts = np.unique(np.stack([groups, labels]), axis=1, return_counts=True)
    commonest = np.zeros(groups.max() + 1, dtype=np.int64)
    np.maximum.at(commonest, pairs[0], counts)
    return float(commonest.sum() / len(groups))


def _levels(table: SemanticIdTable, items: Sequence[Item], seed: int) -> list[LevelReport]:
    coarse, fine = _category_labels(items)
    levels = []
    for level in range(table.num_levels):
        codes = table.codes[:, level]
        groups = np.unique(table.codes[:, : level + 1], axis=0, return_inverse=True)[1].reshape(-1)
        bits = entropy_bits(codes)
        levels.append(
            LevelReport(
                level=level + 1,
                codes_used=len(np.unique(codes)),
                prefixes_used=int(groups.max()) + 1,
                largest_prefix=int(np.bincount(groups).max()),
                entropy_bits=bits,
                entropy_share=bits / math.log2(table.codebook_size),
                coarse_purity=_purity(groups, coarse, seed),
                fine_purity=_purity(groups, fine, seed),
            )
        )
    return levels


def _category_labels(items: Sequence[Item]) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each item's coarse and fine category, -1 for none. Shapes: (N,)."""
    depths = max(len(item.categories) for item in items)
    coarse: list[str | None] = [None] * len(items)
    for depth in range(depths):
        coarse = [c[min(depth, len(c) - 1)] if (c := item.categories) else None for item in items]
        counts = Counter(category for category in coarse if category)
        if counts.most_common(1)[0][1] < _MAX_CATEGORY_SHARE * counts.total():
            break
    fine = [item.categories[-1] if item.categories else None for item in items]
    return _numbers(coarse), _numbers(fine)


def _numbers(labels: Sequence[str | None]) -> np.ndarray:
    index: dict[str, int] = {}
    return np.array(
        [-1 if label is None else index.setdefault(label, len(index)) for label in labels],
        dtype=np.int64,
    )


def _purity(groups: np.ndarray, labels: np.ndarray, seed: int) -> Purity | None:
    known = labels >= 0
    if not known.any():
        return None
    groups, labels = groups[known], labels[known]
    dealt = np.random.default_rng(seed).permutation(labels)
    return Purity(purity(groups, labels), purity(groups, dealt))


def _neighbours(
    table: SemanticIdTable, items: Sequence[Item], vectors: np.ndarray, popularity: np.ndarray
) -> list[Neighbours]:
    """Return the neighbours of the most popular items, one an interest."""
    chosen: dict[int, int] = {}
    for row in np.argsort(-popularity, kind="stable").tolist():
        if vectors[row].any():
            chosen.setdefault(int(table.codes[row, 0]), row)
        if len(chosen) == _NUM_EXAMPLES:
            break
    examples = []
    for row in chosen.values():
        similarity = vectors @ vectors[row]
        similarity[row] = -np.inf
        nearest = np.argsort(-similarity, kind="stable")[: min(_NUM_NEIGHBOURS, len(items) - 1)]
        examples.append(
            Neighbours(
                item=items[row].label,
                semantic_id=tuple(table.codes[row].tolist()),
                name=table.name_of(table.codes[row, :1].tolist()),
                nearest=tuple(items[other].label for other in nearest),
            )
        )
    return examples


def _show(value: Purity | None) -> str:
    return "–" if value is None else f"{value.measured:.0%} ({value.random:.0%})"
