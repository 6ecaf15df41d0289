"""Objects within rows to columns of their own: ``{"user": {"id": 7}}`` is a column ``user.id``.

Enters and leaves: batches. What MongoDB writes around a value (``{"$oid": "5f1"}``) is taken off.
"""

from __future__ import annotations

from typing import Any

from genrec.data.rows import Batch

_WRAPPERS = frozenset(
    ("$oid", "$date", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal", "$uuid")
)
_DEEPEST = 5


def unwrapped(value: Any) -> Any:
    """Return what MongoDB's extended JSON wraps; any other value as it is."""
    while isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _WRAPPERS:
        (value,) = value.values()
    return value


def flat(batch: Batch, depth: int = _DEEPEST) -> Batch:
    """Give the values within objects columns of their own, named by the way to them."""
    columns: dict[str, Any] = {}
    nested = False
    for name, column in batch.columns.items():
        if not isinstance(column, list) or not any(isinstance(each, dict) for each in column):
            columns[name] = column
            continue
        nested = True
        rows = [each if isinstance(each, dict) else {} for each in column]
        if any(each is not None and not isinstance(each, dict) for each in column):
            columns[name] = [None if isinstance(each, dict) else each for each in column]
        for part in dict.fromkeys(part for row in rows for part in row):
            columns[f"{name}.{part}"] = [unwrapped(row.get(part)) for row in rows]
    made = Batch(batch.lines, columns, batch.rejects)
    return flat(made, depth - 1) if nested and depth > 1 else made
