"""A set of a table's items that is kept as rows: a million of them cost no million texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from typing import Protocol

import numpy as np


class _Table(Protocol):
    @property
    def item_ids(self) -> list[str]: ...

    def knows(self, item_id: str) -> bool: ...

    def index_of(self, item_id: str) -> int: ...


class RowSet(Set[str]):
    """Item IDs; equal to any other set of the same IDs, and hashed by identity."""

    __hash__ = object.__hash__

    def __init__(
        self, table: _Table, mask: np.ndarray, hint: Callable[[], str] | None = None
    ) -> None:
        """Take some rows of a table.

        Args:
            table: Holds the items.
            mask: Marks the rows. Shape: (N,), bool.
            hint: Says how to mend what chose so few of them, such as a misspelt value.
        """
        self.table = table
        self.hint = hint
        self.mask = mask
        self.rows = np.flatnonzero(mask)

    def __contains__(self, item_id: object) -> bool:
        known = isinstance(item_id, str) and self.table.knows(item_id)
        return known and bool(self.mask[self.table.index_of(str(item_id))])

    def __iter__(self) -> Iterator[str]:
        item_ids = self.table.item_ids
        return (item_ids[row] for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<RowSet of {len(self)}>"

    @classmethod
    def _from_iterable(cls, item_ids: Iterable[str]) -> frozenset[str]:  # type: ignore[override]
        return frozenset(item_ids)
