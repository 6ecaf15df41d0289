"""Columns as a data frame of a wanted kind."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import pyarrow as pa

ARROW, PANDAS = "pyarrow", "pandas"


def default_kind() -> str:
    """Return the kind of frame where the user gave none: pandas where it is installed."""
    return PANDAS if importlib.util.find_spec(PANDAS) is not None else ARROW


def make_frame(columns: Mapping[str, Sequence[Any]], schema: pa.Schema, kind: Any) -> Any:
    """Return a frame.

    Args:
        columns: Values by name, in the schema's order.
        schema: Their types.
        kind: "pandas", "polars" or "pyarrow", or such an implementation of narwhals.

    Returns:
        The library's own frame.
    """
    table = pa.Table.from_pydict(dict(columns), schema)
    implementation = nw.Implementation.from_backend(kind)
    if implementation.is_pyarrow():
        return table
    if implementation.is_pandas():
        return table.to_pandas()
    backend: Any = implementation
    return nw.from_arrow(table, backend=backend).to_native()
