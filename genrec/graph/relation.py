"""Weighted edges between two kinds of nodes: a sparse array, and a margin of edges made since.

Knows row and column numbers, nothing of what they stand for.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class Relation:
    """Edges with positive weights. Adding to one takes microseconds, however many there are."""

    def __init__(self, matrix: csr_array):
        """Take over a sparse array of float64 weights; it must not be changed by others."""
        matrix.sum_duplicates()
        self._matrix = matrix
        self._new: dict[int, dict[int, float]] = defaultdict(dict)
        self._new_by_column: dict[int, set[int]] = defaultdict(set)
        self.row_sums = array("d", matrix.sum(axis=1).astype(np.float64).tobytes())
        self.column_sums = array("d", matrix.sum(axis=0).astype(np.float64).tobytes())

    def __len__(self) -> int:
        """Return the number of edges."""
        return int(self._matrix.nnz) + self.pending

    @property
    def pending(self) -> int:
        """Edges made since the last ``compact``."""
        return sum(map(len, self._new.values()))

    def add(self, row: int, column: int, weight: float) -> None:
        """Add to the weight of an edge; numbers beyond those known make new nodes."""
        for sums, number in ((self.row_sums, row), (self.column_sums, column)):
            if number >= len(sums):
                sums.extend(0.0 for _ in range(number + 1 - len(sums)))
            sums[number] += weight
        place = self._place(row, column)
        if place is None:
            margin = self._new[row]
            margin[column] = margin.get(column, 0.0) + weight
            self._new_by_column[column].add(row)
        else:
            self._matrix.data[place] += weight

    def row(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the columns and weights of a row's edges."""
        margin = self._new.get(row, {})
        columns, weights = list(margin), list(margin.values())
        if row >= self._matrix.shape[0]:
            return np.array(columns, np.int64), np.array(weights, np.float64)
        start, end = self._matrix.indptr[row : row + 2]
        return (
            np.concatenate([self._matrix.indices[start:end], np.array(columns, np.int64)]),
            np.concatenate([self._matrix.data[start:end], weights]),
        )

    def column(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and weights of a column's edges."""
        rows = sorted(self._new_by_column.get(column, ()))
        weights = [self._new[row][column] for row in rows]
        if column >= self._matrix.shape[1]:
            return np.array(rows, np.int64), np.array(weights, np.float64)
        starts, known, places = self._by_column
        start, end = starts[column : column + 2]
        return (
            np.concatenate([known[start:end], np.array(rows, np.int64)]),
            np.concatenate([self._matrix.data[places[start:end]], weights]),
        )

    def matrix(self, shape: tuple[int, int]) -> csr_array:
        """Return all edges as one sparse array, a copy, at least as large as what is known."""
        from scipy.sparse import coo_array

        old = self._matrix.tocoo()
        new = [(r, c, w) for r, margin in self._new.items() for c, w in margin.items()]
        rows, columns, weights = zip(*new, strict=True) if new else ((), (), ())
        shape = (max(shape[0], len(self.row_sums)), max(shape[1], len(self.column_sums)))
        coordinates = (
            np.concatenate([old.coords[0], np.array(rows, np.int32)]),
            np.concatenate([old.coords[1], np.array(columns, np.int32)]),
        )
        data = np.concatenate([old.data, np.array(weights, np.float64)])
        return coo_array((data, coordinates), shape=shape).tocsr()

    def scale(self, factor: float) -> None:
        """Multiply every weight."""
        self._matrix.data *= factor
        for margin in self._new.values():
            margin.update({column: weight * factor for column, weight in margin.items()})
        for sums in (self.row_sums, self.column_sums):
            np.frombuffer(sums, np.float64)[:] *= factor

    def compact(self) -> None:
        """Move new edges into the sparse array; takes time in proportion to all edges."""
        if self._new:
            self._matrix = self.matrix((0, 0))
            self._new.clear()
            self._new_by_column.clear()
            self.__dict__.pop("_by_column", None)

    def _place(self, row: int, column: int) -> int | None:
        if row >= self._matrix.shape[0]:
            return None
        start, end = self._matrix.indptr[row : row + 2]
        place = start + int(np.searchsorted(self._matrix.indices[start:end], column))
        return place if place < end and self._matrix.indices[place] == column else None

    @cached_property
    def _by_column(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Starts of the columns, and the row and the place in the data of each of their edges."""
        from scipy.sparse import csr_array

        matrix = self._matrix
        places = np.arange(matrix.nnz, dtype=matrix.indices.dtype)
        turned = csr_array((places, matrix.indices, matrix.indptr), shape=matrix.shape).tocsc()
        return turned.indptr, turned.indices, turned.data
