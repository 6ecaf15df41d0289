"""The served table as one small file, so that every process of a server reads the same one.

vLLM's API server, engine core and workers are processes of their own; a table put while serving
reaches them by this file, whose change costs one ``stat`` to notice.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.errors import DataError
from genrec.semantic_ids.table import SemanticIdTable, met_if_seen


def table_id(table: SemanticIdTable) -> str:
    """Return a hash by which client and server know that they mean the same rows."""
    digest = hashlib.sha256(json.dumps(table.item_ids).encode())
    digest.update(np.ascontiguousarray(table.codes, dtype=np.int32).tobytes())
    digest.update(np.ascontiguousarray(table.seen_in_training).tobytes())
    if table.text_vectors is not None:
        digest.update(np.ascontiguousarray(table.text_vectors, dtype=np.float32).tobytes())
    return digest.hexdigest()[:16]


def other_text_vectors(base: SemanticIdTable, table: SemanticIdTable) -> dict[str, list[float]]:
    """Return the text vectors of a table's items, by item ID, that are not those of the base."""
    if table.text_vectors is None or base.text_vectors is None:
        return {}
    return {
        item_id: vector.tolist()
        for item_id, vector in zip(table.item_ids, table.text_vectors, strict=True)
        if not base.knows(item_id)
        or not np.array_equal(base.text_vectors[base.index_of(item_id)], vector)
    }


def fill_text_vectors(
    base: SemanticIdTable, item_ids: Sequence[str], others: Mapping[str, Sequence[float]]
) -> np.ndarray | None:
    """Undo ``other_text_vectors``. Shape: (N, D), float32; None where the base has none.

    Raises:
        DataError: A vector of another width.
    """
    if base.text_vectors is None:
        return None
    filled = np.zeros((len(item_ids), base.text_vectors.shape[1]), dtype=np.float32)
    for row, item_id in zip(filled, item_ids, strict=True):
        if item_id in others:
            if len(others[item_id]) != len(row):
                raise DataError(
                    f"{len(others[item_id])} numbers for the text of item {item_id!r}; "
                    f"this base reads {len(row)}"
                )
            row[:] = others[item_id]
        elif base.knows(item_id):
            row[:] = base.text_vectors[base.index_of(item_id)]
    return filled


def write_table(path: Path, table: SemanticIdTable) -> None:
    """Write a table so that readers see the old file or the new one, never a part."""
    arrays: dict[str, Any] = {
        "item_ids": np.frombuffer(json.dumps(table.item_ids).encode(), dtype=np.uint8),
        "codes": table.codes.astype(np.int32),
        "seen_in_training": table.seen_in_training,
    }
    if table.text_vectors is not None:
        arrays["text_vectors"] = table.text_vectors
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def read_table(path: Path, base: SemanticIdTable) -> SemanticIdTable:
    """Return a table that ``write_table`` wrote; what never changes is the base's."""
    with np.load(path, allow_pickle=False) as stored:
        return replace(
            base,
            item_ids=json.loads(stored["item_ids"].tobytes()),
            codes=stored["codes"],
            met=met_if_seen(stored["seen_in_training"]),
            text_vectors=stored["text_vectors"] if "text_vectors" in stored else None,
        )


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what differs whenever the file was replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
