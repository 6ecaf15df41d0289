"""DuckDB as every module here wants it: silent, and with times in a zone that is named."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb


def connect(
    path: Path | None = None,
    config: dict[str, str | bool | int | float | list[str]] | None = None,
    time_zone: str = "UTC",
) -> duckdb.DuckDBPyConnection:
    """Open a database file, or one in memory, for which times that name no zone are in one."""
    connection = duckdb.connect(path or ":memory:", config=config or {})
    # The bar would go to standard output. In a notebook DuckDB refuses to be asked where it has
    # none to turn off, for want of ipywidgets.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET TimeZone = '{time_zone}'")
    return connection


def one_row(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None
) -> tuple[Any, ...]:
    """Return the only row of a query that always has one."""
    # All rows are fetched: a result left open would block what follows on the connection.
    (row,) = connection.execute(query, dict(values or {})).fetchall()
    return row
