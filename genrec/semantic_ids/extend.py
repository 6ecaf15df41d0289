"""Items come, change and go, in a frozen table. No other ID ever changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from genrec.errors import DataError
from genrec.schema import Item, SemanticId
from genrec.semantic_ids.quantize import assign_codes
from genrec.semantic_ids.table import NEVER, SemanticIdTable


def add_items(
    table: SemanticIdTable, items: Sequence[Item], images: np.ndarray | None = None
) -> SemanticIdTable:
    """Return a table with new items, each at the free ID nearest to it.

    A new item is encoded as the catalogue was, with the frozen encoder; its behaviour, which
    nobody has seen yet, is predicted from the rest.

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
    _check_new(table, items)
    capacity = table.codebook_size**table.num_levels
    total = len(table) + len(items)
    if total > capacity:
        raise DataError(
            f"{total} items do not fit into {capacity} IDs; build a new table with a larger "
            "codebook_size or num_levels"
        )
    if not items:
        return table
    vectors = table.encoder.encode(items, images)
    codes = assign_codes(vectors, table.centroids, taken=table.codes)
    return _append(table, items, codes)


def place_catalogue(table: SemanticIdTable, items: Sequence[Item]) -> SemanticIdTable:
    """Return a table with another catalogue in place of its own, by the frozen encoder.

    Items of both catalogues are the other catalogue's here: each gets the nearest ID for its text.
    Names of prefixes stay those of the table, whose words tell what the model learned there. No
    item counts as new: the prefixes are what training met, and an equal share for all would
    leave the model nothing to say.

    Args:
        table: Is not changed.
        items: The other catalogue.

    Raises:
        DataError: The table has no encoder, or fewer IDs than there are items.
    """
    empty = _select(table, [])
    return replace(add_items(empty, items), met=None)


def restore_items(
    table: SemanticIdTable, items: Sequence[Item], codes: Sequence[SemanticId]
) -> SemanticIdTable:
    """Return a table with new items at given IDs, such as they had before a restart.

    Args:
        table: Is not changed.
        items: New items; they follow the old ones, in this order.
        codes: The ID of each.

    Raises:
        DataError: An item is there already or given twice, or an ID is taken, given twice, or
            none of the table's.
    """
    _check_new(table, items)
    taken: set[SemanticId] = set()
    for item, given in zip(items, codes, strict=True):
        if len(given) != table.num_levels or not all(0 <= c < table.codebook_size for c in given):
            raise DataError(f"{given} of item '{item.item_id}' is no ID of this table")
        if table.item_at(given) is not None or given in taken:
            raise DataError(f"the ID {given} of item '{item.item_id}' belongs to another item")
        taken.add(given)
    if not items:
        return table
    return _append(table, items, np.array(codes, dtype=table.codes.dtype))


def rewrite_items(table: SemanticIdTable, items: Sequence[Item]) -> SemanticIdTable:
    """Return a table in which items have other words; every item keeps its ID.

    What models learned of an ID, and histories that name it, mean the same item before and after.

    Args:
        table: Is not changed.
        items: With all their words.

    Raises:
        DataError: An item is not in the table.
    """
    rows = [table.index_of(item.item_id) for item in items]
    if not rows or table.text_vectors is None or table.encoder is None:
        return table
    written = table.encoder.encode_text(items)
    if written is None:
        return table
    text = table.text_vectors.copy()
    text[rows] = written
    return replace(table, text_vectors=text)


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
    return _select(table, [row for row in range(len(table)) if row not in gone])


def _select(table: SemanticIdTable, rows: Sequence[int]) -> SemanticIdTable:
    kept = np.array(rows, dtype=np.int64)
    met, text = table.met, table.text_vectors
    return replace(
        table,
        item_ids=[table.item_ids[row] for row in rows],
        codes=table.codes[kept],
        met=None if met is None else met[kept],
        text_vectors=None if text is None else text[kept],
    )


def _append(table: SemanticIdTable, items: Sequence[Item], codes: np.ndarray) -> SemanticIdTable:
    met, text = table.how_met, table.text_vectors
    if text is not None:
        added = None if table.encoder is None else table.encoder.encode_text(items)
        text = np.concatenate(
            [text, np.zeros((len(items), text.shape[1]), np.float32) if added is None else added]
        )
    return replace(
        table,
        item_ids=[*table.item_ids, *(item.item_id for item in items)],
        codes=np.concatenate([table.codes, codes]),
        met=np.concatenate([met, np.full(len(items), NEVER, dtype=met.dtype)]),
        text_vectors=text,
    )


def _check_new(table: SemanticIdTable, items: Sequence[Item]) -> None:
    given: set[str] = set()
    for item in items:
        if table.knows(item.item_id) or item.item_id in given:
            raise DataError(
                f"item '{item.item_id}' is in the table already or given twice; an item keeps "
                "its ID: leave it out, or remove it first"
            )
        given.add(item.item_id)
