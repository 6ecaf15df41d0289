"""Events and items as files, read and written again by benchmarks that change or sample them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any


def _open(path: Path, mode: str = "rt") -> IO[str]:
    """Open a file, compressed where its name ends with ``.gz``."""
    opened = gzip.open if path.suffix == ".gz" else open
    return opened(path, mode, encoding="utf-8", newline="")


def read_events(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file."""
    with _open(path) as file:
        return list(csv.DictReader(file))


def write_events(rows: Iterable[dict[str, str]], path: Path) -> Path:
    """Write rows, at least one, as a CSV file with the columns of the first; return its path."""
    rows = list(rows)
    with _open(path, "wt") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def read_items(path: Path) -> list[dict[str, Any]]:
    """Read the items of a JSONL file."""
    with _open(path) as file:
        return [json.loads(line) for line in file]


def write_items(items: Iterable[dict[str, Any]], path: Path) -> Path:
    """Write items as a JSONL file; return its path."""
    with _open(path, "wt") as file:
        file.writelines(json.dumps(item) + "\n" for item in items)
    return path
