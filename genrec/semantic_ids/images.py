"""Reads picture vectors that were computed elsewhere."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from genrec.errors import DataError
from genrec.semantic_ids.linear import normalize_rows


def load_images(path: Path, item_ids: list[str]) -> np.ndarray:
    """Return the picture vector of each item as a unit row, zeros where there is none.

    Args:
        path: See ``ImageConfig``.
        item_ids: Wanted items; for a .npy exactly its rows.

    Returns:
        Shape: (N, E), float32.

    Raises:
        DataError: The file is missing, not of the form described, or holds NaN.
    """
    path = Path(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            vectors = loaded
        else:
            with loaded:
                vectors = _pick(loaded["item_ids"], loaded["vectors"], item_ids)
    except FileNotFoundError:
        raise DataError(f"image vectors {path} do not exist; check image.path") from None
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DataError(
            f"image vectors {path} cannot be read ({error}); give a .npy of shape (items, width), "
            "or a .npz with arrays 'item_ids' and 'vectors'"
        ) from None
    if vectors.ndim != 2 or len(vectors) != len(item_ids):
        raise DataError(
            f"image vectors {path} have shape {vectors.shape}, the catalogue has {len(item_ids)} "
            "items; give one row an item in catalogue order, or a .npz with 'item_ids'"
        )
    if not np.isfinite(vectors).all():
        raise DataError(f"image vectors {path} hold NaN or infinity; put zeros for no picture")
    return normalize_rows(vectors)


def _pick(known_ids: np.ndarray, vectors: np.ndarray, item_ids: list[str]) -> np.ndarray:
    if vectors.ndim != 2 or len(known_ids) != len(vectors):
        raise ValueError(f"{len(known_ids)} item_ids for vectors of shape {vectors.shape}")
    row_of = {str(item_id): row for row, item_id in enumerate(known_ids)}
    picked = np.zeros((len(item_ids), vectors.shape[1]), np.float32)
    for position, item_id in enumerate(item_ids):
        row = row_of.get(item_id)
        if row is not None:
            picked[position] = vectors[row]
    return picked
