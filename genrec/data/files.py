"""A file of any kind we read, told by its content, to batches of columns.

Enters: a path. Leaves: batches under the file's own names (``rows``). Knows nothing of users,
items or any corpus.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb

from genrec.data.database import connect
from genrec.data.lines import open_bytes, read_chunks
from genrec.data.rows import Batch, Layout, read_csv, read_json, read_separated
from genrec.errors import DataError

_JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}
_PARQUET = b"PAR1"
_PARQUET_BATCH_ROWS = 1 << 14
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_batches(
    path: Path, layout: Layout | None, max_line_bytes: int, workspace: Path
) -> Iterator[Batch]:
    """Yield the rows of a CSV, JSONL or Parquet file, gzipped or not.

    Args:
        path: The file.
        layout: For files that do not name their columns; None for all others.
        max_line_bytes: Longer lines are rejected.
        workspace: Directory for what has to be unpacked.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    with open_bytes(path) as stream:
        start = stream.read(4096).removeprefix(_BYTE_ORDER_MARK)
    if start.startswith(_PARQUET):
        yield from _read_parquet(path, workspace)
        return
    if not start:
        raise DataError(f"{path} is empty")
    chunks = read_chunks(path, layout.encoding if layout else "utf-8", max_line_bytes)
    first = start.lstrip()[:1]
    if layout is not None:
        yield from read_separated(chunks, layout)
    elif first == b"[":
        raise DataError(f"{path} is one JSON array; write one object per line (`jq -c '.[]'`)")
    elif first == b"{" or _JSON_SUFFIXES.intersection(path.suffixes):
        yield from read_json(chunks)
    else:
        yield from read_csv(chunks, path, max_line_bytes)


def _read_parquet(path: Path, workspace: Path) -> Iterator[Batch]:
    plain = path
    with open_bytes(path) as stream:
        if isinstance(stream, gzip.GzipFile):
            # Parquet is read from its end, so it has to lie unpacked.
            plain = workspace / "unpacked.parquet"
            with plain.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
    with connect() as connection:
        try:
            source = connection.read_parquet(str(plain))
            columns = map(_as_written, source.columns, map(str, source.types))
            first_line = 1
            for rows in source.project(", ".join(columns)).to_arrow_reader(_PARQUET_BATCH_ROWS):
                yield Batch(list(range(first_line, first_line + len(rows))), rows.to_pydict())
                first_line += len(rows)
        except duckdb.Error as error:
            raise DataError(f"{path} is a damaged Parquet file: {error}") from None


def _as_written(name: str, kind: str) -> str:
    """Return the SQL for a column; times become seconds, as in the other kinds of files."""
    quoted = '"' + name.replace('"', '""') + '"'
    is_time = kind.startswith(("TIMESTAMP", "DATE"))
    return f"epoch({quoted}) AS {quoted}" if is_time else quoted
