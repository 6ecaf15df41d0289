"""Items like one another, by vectors of the table's rows."""

from __future__ import annotations

import numpy as np

from genrec.errors import ConfigError, DataError
from genrec.semantic_ids.linear import normalize_rows
from genrec.semantic_ids.table import SemanticIdTable


def id_vectors(table: SemanticIdTable) -> np.ndarray:
    """Return the vectors that semantic IDs stand for, which text and behaviour shaped.

    Returns:
        The sum of the centroids of an ID's codes, of length 1. Shape: (N, D), float32.
    """
    levels = np.arange(table.num_levels)
    return normalize_rows(table.centroids[levels, table.codes].sum(axis=1))


def text_vectors(table: SemanticIdTable) -> np.ndarray:
    """Return the vectors of the items' texts. Shape: (N, D), float32.

    Raises:
        ConfigError: The table was made without texts.
    """
    if table.text_vectors is None:
        raise ConfigError("this index was made without texts; ask by 'both' or 'behaviour'")
    return table.text_vectors


def nearest(
    table: SemanticIdTable,
    vectors: np.ndarray,
    item_id: str,
    k: int,
    allowed: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the items most like one.

    Args:
        table: N items.
        vectors: Of length 1, or zeros where nothing is known of an item. Shape: (N, D).
        item_id: Is not found itself.
        k: How many; fewer are found where there are no more.
        allowed: Which may be found; None: all. Shape: (N,), bool.

    Returns:
        Rows, nearest first, and their cosines. Shape of each: (k,) or fewer.

    Raises:
        DataError: The item is not in the table, or nothing is known of it.
    """
    own = table.index_of(item_id)
    if not vectors[own].any():
        raise DataError(f"nothing is known of item '{item_id}' to compare it by; ask by 'both'")
    found = vectors.any(axis=1) if allowed is None else vectors.any(axis=1) & allowed
    rows = np.flatnonzero(found)
    rows = rows[rows != own]
    scores = vectors[rows] @ vectors[own]
    order = np.argsort(-scores, kind="stable")[:k]
    return rows[order], scores[order]
