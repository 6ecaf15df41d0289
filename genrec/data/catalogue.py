"""The catalogue by itself: a data set without events, which travels with a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from genrec.artifacts import Manifest, write_manifest
from genrec.data.dataset import CATALOGUE_ONLY, ITEMS_FILE, KIND, REPORT_FILE, Dataset
from genrec.data.item_rows import to_row
from genrec.data.report import ITEM_SCHEMA
from genrec.schema import Item

PREPARED_FROM = "prepared_from"
"""Setting that keeps the hash of the whole data set."""


def write_catalogue(items: Sequence[Item], source: Dataset, directory: Path) -> Manifest:
    """Write items as a data set without events, with the counts of the data they come from.

    Args:
        items: In the order of the semantic-ID table.
        source: The prepared data, or such a catalogue of it.
        directory: Where the files go; it exists.
    """
    rows = map(to_row, items)
    pq.write_table(pa.Table.from_pylist(list(rows), ITEM_SCHEMA), directory / ITEMS_FILE)
    report = read_report(source)
    (directory / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    settings = {
        PREPARED_FROM: source.manifest.content_hash,
        **source.manifest.config,
        CATALOGUE_ONLY: True,
    }
    return write_manifest(directory, directory, KIND, settings, [ITEMS_FILE])


def read_report(data: Dataset) -> dict[str, Any]:
    """Return what the preparation counted; empty where its report is gone or damaged."""
    try:
        report = json.loads((data.path / REPORT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}
