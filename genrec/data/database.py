"""DuckDB as every module here wants it: silent, and with times in a zone that is named."""

from __future__ import annotations

import atexit
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import duckdb

Config = Mapping[str, str | bool | int | float | list[str]]


def connect(config: Config | None = None, time_zone: str = "UTC") -> duckdb.DuckDBPyConnection:
    """Open a connection for which times that name no zone are in one.

    Args:
        config: Of a database of its own; None: of the one that this process shares, for questions
            about files. What a connection makes there can be seen by the others.
        time_zone: The zone.
    """
    # To open a database takes 20 ms of the processor, as long as a user's history and more.
    connection = _shared(os.getpid()).cursor() if config is None else _open(config)
    connection.execute(f"SET TimeZone = '{time_zone}'")
    return connection


@cache
def _shared(process: int) -> duckdb.DuckDBPyConnection:
    """Open the database of a process; one that was forked opens its own."""
    atexit.register(_shared.cache_clear)  # else DuckDB complains of it as the interpreter ends
    return _open({})


def _open(config: Config) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=dict(config))
    # The bar would go to standard output. In a notebook DuckDB refuses to be asked where it has
    # none to turn off, for want of ipywidgets.
    with suppress(duckdb.InvalidInputException):
        connection.execute("SET enable_progress_bar = false")
    return connection


def one_row(
    connection: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None
) -> tuple[Any, ...]:
    """Return the only row of a query that always has one."""
    # All rows are fetched: a result left open would block what follows on the connection.
    (row,) = connection.execute(query, dict(values or {})).fetchall()
    return row
