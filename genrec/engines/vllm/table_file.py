"""The served table as one small file, so that every process of a server reads the same one.

vLLM's API server, engine core and workers are processes of their own; a table put while serving
reaches them by this file, whose change costs one ``stat`` to notice.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def table_id(
    item_ids: Sequence[str], codes: np.ndarray, seen_in_training: np.ndarray | None
) -> str:
    """Return a hash by which client and server know that they mean the same rows."""
    digest = hashlib.sha256(json.dumps(list(item_ids)).encode())
    digest.update(np.ascontiguousarray(codes, dtype=np.int32).tobytes())
    digest.update(_every_row(codes, seen_in_training).tobytes())
    return digest.hexdigest()[:16]


def write_table(
    path: Path,
    item_ids: Sequence[str],
    codes: np.ndarray,
    seen_in_training: np.ndarray | None = None,
) -> None:
    """Write a table so that readers see the old file or the new one, never a part."""
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            names = np.frombuffer(json.dumps(list(item_ids)).encode(), dtype=np.uint8)
            known = _every_row(codes, seen_in_training)
            np.savez(file, item_ids=names, codes=codes.astype(np.int32), seen_in_training=known)
        os.replace(scratch, path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def read_table(path: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return item IDs, codes and whether training met each item. Shapes: (N,), (N, L), (N,)."""
    with np.load(path, allow_pickle=False) as stored:
        return json.loads(stored["item_ids"].tobytes()), stored["codes"], stored["seen_in_training"]


def _every_row(codes: np.ndarray, seen_in_training: np.ndarray | None) -> np.ndarray:
    return (
        np.ones(len(codes), dtype=bool)
        if seen_in_training is None
        else seen_in_training.astype(bool)
    )


def file_stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what differs whenever the file was replaced; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
