"""Files that know their columns and types (Parquet, Arrow, Excel) to batches of columns.

Enters: a path. Leaves: batches in which whatever a warehouse calls an ID, a number or a moment is
text: decimals and floats that are whole become integers, moments seconds since 1970, binary text.
Lists and structs stay what they are.
"""

from __future__ import annotations

import glob
import importlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.ipc

from genrec.data.database import connect
from genrec.data.rows import Batch
from genrec.data.streams import open_bytes
from genrec.errors import ConfigError, DataError

_BATCH_ROWS = 1 << 17

# A column of integers with gaps is kept as floating point; text of a float would be "1.6e+09".
_WHOLE = (
    "CASE WHEN {0} = trunc({0}) AND abs({0}) < 1e18 THEN {0}::BIGINT::VARCHAR ELSE {0}::VARCHAR END"
)


def read_parquet(path: Path, workspace: Path, time_zone: str) -> Iterator[Batch]:
    """Yield the rows of a Parquet file; folders named ``column=value`` above it are columns."""
    with connect(time_zone=time_zone) as connection:
        try:
            rows = connection.read_parquet(
                # A path, and no pattern of several.
                glob.escape(str(_unpacked(path, workspace))),
                hive_partitioning="=" in str(path.parent),
            )
            yield from _batches(rows)
        except (duckdb.Error, RuntimeError) as error:
            raise DataError(f"{path} is a damaged Parquet file: {_one_line(error)}") from None


def read_arrow(path: Path, workspace: Path, time_zone: str) -> Iterator[Batch]:
    """Yield the rows of an Arrow file (Feather of version 2)."""
    with connect(time_zone=time_zone) as connection:
        try:
            with pa.memory_map(str(_unpacked(path, workspace))) as file:
                reader = pa.ipc.open_file(file)
                parts = (reader.get_batch(part) for part in range(reader.num_record_batches))
                stream = pa.RecordBatchReader.from_batches(reader.schema, parts)
                yield from _batches(connection.from_arrow(stream))
        except (duckdb.Error, pa.ArrowException) as error:
            raise DataError(f"{path} is a damaged Arrow file: {_one_line(error)}") from None


def read_excel(path: Path) -> Iterator[Batch]:
    """Yield the rows of an Excel file's first sheet; its first row names the columns.

    Raises:
        ConfigError: The reader is not installed.
        DataError: The file cannot be read.
    """
    try:
        calamine = importlib.import_module("python_calamine")
    except ImportError:
        raise ConfigError(
            f"{path} is an Excel file; to read it, pip install 'genrec[excel]'"
        ) from None
    try:
        workbook = calamine.CalamineWorkbook.from_path(str(path))
        sheet = workbook.get_sheet_by_index(0).to_python(skip_empty_area=True)
    except Exception as error:  # calamine's own errors have no common class
        raise DataError(f"{path} is a damaged Excel file: {_one_line(error)}") from None
    if not sheet:
        raise DataError(f"{path} is empty")
    header = [str(name).strip() for name in sheet[0]]
    if repeated := {name for name in header if name and header.count(name) > 1}:
        raise DataError(f"{path} names the column '{min(repeated)}' twice; rename one")
    rows = [(line, row) for line, row in enumerate(sheet[1:], 2) if any(str(c) for c in row)]
    columns = zip(*(row for _, row in rows), strict=True)
    values = {name: list(map(_cell, column)) for name, column in zip(header, columns, strict=False)}
    yield Batch([line for line, _ in rows], {name: v for name, v in values.items() if name})


def _cell(value: Any) -> Any:
    return value if isinstance(value, int | float | bool) else str(value)


def _unpacked(path: Path, workspace: Path) -> Path:
    with open_bytes(path) as (stream, raw):
        if stream is raw:
            return path
        # These files are read from their end, so they have to lie unpacked.
        plain = workspace / "unpacked"
        with plain.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        return plain


def _batches(rows: duckdb.DuckDBPyRelation) -> Iterator[Batch]:
    columns = [
        _as_written(name, str(kind)) for name, kind in zip(rows.columns, rows.types, strict=True)
    ]
    first_line = 1
    for part in rows.project(", ".join(columns)).to_arrow_reader(_BATCH_ROWS):
        lines = list(range(first_line, first_line + len(part)))
        yield Batch(lines, dict(zip(part.schema.names, map(_column, part.columns), strict=True)))
        first_line += len(part)


def _column(values: pa.Array) -> pa.Array | list[Any]:
    return values if pa.types.is_string(values.type) else values.to_pylist()


def _as_written(name: str, kind: str) -> str:
    """Return the SQL that reads a column as text, lists and structs apart."""
    quoted = '"' + name.replace('"', '""') + '"'
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return quoted
    text = f"{quoted}::VARCHAR"
    if kind.startswith(("TIMESTAMP", "DATE")):
        # What has no zone is in the session's.
        text = _WHOLE.format(f"epoch({quoted}::TIMESTAMPTZ)")
    elif kind in ("DOUBLE", "FLOAT"):
        text = _WHOLE.format(quoted)
    elif kind.startswith("DECIMAL"):
        text = f"regexp_replace({text}, '\\.0*$', '')"
    elif kind == "BLOB":
        text = f"try(decode({quoted}))"
    return f"{text} AS {quoted}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
