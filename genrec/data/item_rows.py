"""Items as rows of ``items.parquet``, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from genrec.schema import ATTRIBUTES, CATEGORIES, Attribute, Item


def to_row(item: Item) -> dict[str, Any]:
    """Return an item by the names of columns; its attributes are one JSON object."""
    return {
        **asdict(item),
        CATEGORIES: list(item.categories),
        ATTRIBUTES: write_attributes(item.attributes),
    }


def read_rows(rows: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Return rows as items."""
    # One text for all, so that equal names are one string in memory.
    written = ",".join(row.get(ATTRIBUTES) or "{}" for row in rows)
    attributes = map(with_tuples, json.loads(f"[{written}]"))
    return [
        Item(**{**row, CATEGORIES: tuple(row[CATEGORIES]), ATTRIBUTES: found})
        for row, found in zip(rows, attributes, strict=True)
    ]


def write_attributes(attributes: Mapping[str, Any]) -> str:
    """Return attributes as JSON."""
    return json.dumps(dict(attributes), ensure_ascii=False)


def with_tuples(attributes: Mapping[str, Any]) -> dict[str, Attribute]:
    """Return attributes as JSON holds them with tuples for lists."""
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes.items()
    }
