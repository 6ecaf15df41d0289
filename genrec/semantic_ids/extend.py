"""Items come and go: a frozen table with items added or removed. No other ID ever changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from genrec.errors import DataError
from genrec.schema import Item
from genrec.semantic_ids.quantize import assign_codes
from genrec.semantic_ids.table import SemanticIdTable


def add_items(
    table: SemanticIdTable, items: Sequence[Item], images: np.ndarray | None = None
) -> SemanticIdTable:
    """Return a table with new items, each at the free ID nearest to it.

    A new item is encoded as the catalogue was, with the frozen encoder; its behaviour, which
    nobody has seen yet, is foretold from the rest.

    Args:
        table: Is not changed.
        items: New items; they follow the old ones, in this order.
        images: Their picture vectors, where the table was made with pictures. Shape: (n, E).

    Raises:
        DataError: An item is there already or given twice, there is no room for all, or the
            table has no encoder.
    """
    if table.encoder is None:
        raise DataError(
            "this table was made without an encoder and cannot place new items; build one with "
            "`genrec index`"
        )
    seen = set(table.item_ids)
    for item in items:
        if item.item_id in seen:
            raise DataError(
                f"item '{item.item_id}' is in the table already or given twice; an item keeps "
                "its ID: leave it out, or remove it first"
            )
        seen.add(item.item_id)
    capacity = table.codebook_size**table.num_levels
    if len(seen) > capacity:
        raise DataError(
            f"{len(seen)} items do not fit into {capacity} IDs; build a new table with a larger "
            "codebook_size or num_levels"
        )
    if not items:
        return table
    vectors = table.encoder.encode(items, images)
    codes = assign_codes(vectors, table.centroids, taken=table.codes)
    return replace(
        table,
        item_ids=[*table.item_ids, *(item.item_id for item in items)],
        codes=np.concatenate([table.codes, codes]),
    )


def remove_items(table: SemanticIdTable, item_ids: Iterable[str]) -> SemanticIdTable:
    """Return a table without some items; their IDs become free for new ones.

    Args:
        table: Is not changed.
        item_ids: Items that leave.

    Raises:
        DataError: An item is not in the table, or none would stay.
    """
    gone = {table.index_of(item_id) for item_id in item_ids}
    if len(gone) == len(table):
        raise DataError("all items would leave the table; keep at least one")
    kept = [row for row in range(len(table)) if row not in gone]
    return replace(table, item_ids=[table.item_ids[row] for row in kept], codes=table.codes[kept])
