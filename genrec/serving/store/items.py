"""Items added while serving, with the semantic IDs they were given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select

from genrec.schema import Item, SemanticId
from genrec.serving.store.tables import ITEMS


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item and its place in the ID table whose content hash is ``index_hash``."""

    item: Item
    codes: SemanticId
    index_hash: str


class ItemStore:
    """Keeps items; every method is one transaction and may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save(self, items: Sequence[StoredItem]) -> None:
        """Store items, all or none; what was stored under their IDs is replaced."""
        if not items:
            return
        gone = [stored.item.item_id for stored in items]
        with self._engine.begin() as connection:
            connection.execute(delete(ITEMS).where(ITEMS.c.item_id.in_(gone)))
            connection.execute(insert(ITEMS), [_to_row(stored) for stored in items])

    def all(self) -> list[StoredItem]:
        """Return every item in the order they came."""
        with self._engine.connect() as connection:
            return [
                _from_row(row) for row in connection.execute(select(ITEMS).order_by(ITEMS.c.number))
            ]


def _to_row(stored: StoredItem) -> dict[str, object]:
    item = stored.item
    return {
        "item_id": item.item_id,
        "title": item.title,
        "brand": item.brand,
        "categories": list(item.categories),
        "description": item.description,
        "text": item.text,
        "index_hash": stored.index_hash,
        "semantic_id": "-".join(map(str, stored.codes)),
    }


def _from_row(row: Row[Any]) -> StoredItem:
    item = Item(row.item_id, row.title, row.brand, tuple(row.categories), row.description, row.text)
    codes = tuple(int(code) for code in row.semantic_id.split("-"))
    return StoredItem(item, codes, row.index_hash)
