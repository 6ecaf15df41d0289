"""What values the attributes of a catalogue have, and how many items have each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from genrec.filters.attributes import ItemAttributes
from genrec.filters.columns import Column, Kind, NumberColumn
from genrec.filters.language import Value
from genrec.schema import DESCRIPTION, ITEM_ID, TITLE

_OWN_WORDS = (ITEM_ID, TITLE, DESCRIPTION)
"""Of each item alone: nothing to choose from."""


@dataclass(frozen=True, slots=True)
class AttributeSummary:
    """What there is to choose from.

    Attributes:
        name: Of the attribute.
        kind: What its values are.
        num_items: Items that have a value.
        num_values: Different values.
        values: The most frequent ones, each with the number of its items.
        least: The smallest number; None of texts.
        most: The largest.
    """

    name: str
    kind: Kind
    num_items: int
    num_values: int
    values: tuple[tuple[Value, int], ...]
    least: float | None
    most: float | None


def summarise(attributes: ItemAttributes, num_values: int) -> list[AttributeSummary]:
    """Return what there is to choose from, attribute by attribute.

    Args:
        attributes: Of the catalogue.
        num_values: Most values to list of each.
    """
    summaries = [_summarise(name, attributes, num_values) for name in attributes.names]
    return [summary for summary in summaries if summary is not None]


def _summarise(name: str, attributes: ItemAttributes, limit: int) -> AttributeSummary | None:
    if name in _OWN_WORDS:
        return None
    counts: Counter[Value] = Counter()
    num_items, kinds = 0, set[Kind]()
    for column, present in attributes.columns(name):
        counts.update(_count(column, present))
        num_items += int((column.exists() & present).sum())
        kinds.add(column.kind)
    if not counts:
        return None
    # By value where as many items have it: the same on every machine.
    ordered = sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))
    kind: Kind = "texts" if "texts" in kinds else "numbers"
    numbers = [value for value in counts if not isinstance(value, str)]
    bounds = (min(numbers), max(numbers)) if kind == "numbers" else (None, None)
    return AttributeSummary(name, kind, num_items, len(counts), tuple(ordered[:limit]), *bounds)


def _count(column: Column, present: np.ndarray) -> dict[Value, int]:
    """Count the items of each value."""
    if isinstance(column, NumberColumn):
        values, counts = np.unique(column.values[column.exists() & present], return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))
    owners = np.repeat(np.arange(len(column.texts)), np.diff(column.starts))
    counts = np.bincount(owners[present[column.rows]], minlength=len(column.texts)).tolist()
    return {text: count for text, count in zip(column.texts, counts, strict=True) if count}
