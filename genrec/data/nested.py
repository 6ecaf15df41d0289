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
        if not isinstance(column, list) or not any(map(_is_object, column)):
            columns[name] = column
            continue
        nested = True
        rows = [each if _is_object(each) else {} for each in column]
        if any(each is not None and not _is_object(each) for each in column):
            columns[name] = [None if _is_object(each) else each for each in column]
        for part in dict.fromkeys(part for row in rows for part in row):
            columns[f"{name}.{part}"] = [unwrapped(row.get(part)) for row in rows]
    made = Batch(batch.lines, columns, batch.rejects)
    return flat(made, depth - 1) if nested and depth > 1 else made


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)
