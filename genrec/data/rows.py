"""Lines of text to batches of columns, under the file's own names.

Enters: chunks of ``lines``. Leaves: batches, with the line each row starts on, and rejects. Knows
nothing of users, items or any corpus.
"""

from __future__ import annotations

import ast
import csv
import gc
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genrec.data.lines import WRONG_ENCODING, Chunk, Reject, Run, excerpt
from genrec.errors import DataError

MALFORMED = "malformed line"

_DELIMITERS = ",\t;|"


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file without a header is written: no quoting, one delimiter, these columns."""

    header: tuple[str, ...]
    delimiter: str
    encoding: str = "latin-1"


@dataclass(slots=True)
class Batch:
    """Rows of a file.

    Attributes:
        lines: Where each row starts, from 1.
        columns: Values of every column, as long as ``lines``.
        rejects: Rows that could not be read.
    """

    lines: list[int] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)


def read_separated(chunks: Iterable[Chunk], layout: Layout) -> Iterator[Batch]:
    """Yield the rows of a file without a header."""
    for chunk in chunks:
        batch = Batch(rejects=list(chunk.rejects))
        rows = []
        for run in chunk.runs:
            for number, line in enumerate(run.lines, run.first_line):
                row = line.rstrip("\r").split(layout.delimiter)
                if len(row) == len(layout.header):
                    batch.lines.append(number)
                    rows.append(row)
                elif line.strip():
                    batch.rejects.append(Reject(number, MALFORMED, excerpt(line)))
        batch.columns = _transpose(layout.header, rows)
        yield batch


def read_json(chunks: Iterable[Chunk]) -> Iterator[Batch]:
    """Yield the rows of a file with one JSON object, or Python dict, per line."""
    for chunk in chunks:
        with _collector_paused():
            batch = _parse_objects(chunk)
        yield batch


def read_csv(chunks: Iterable[Chunk], path: Path, max_field_chars: int) -> Iterator[Batch]:
    """Yield the rows of a CSV file with a header.

    Raises:
        DataError: The header cannot be used.
    """
    table = None
    for chunk in chunks:
        if table is None:
            table = _CsvTable.from_header(chunk, path)
        with _collector_paused(), _csv_limit(max_field_chars):
            batch = table.read(chunk)
        yield batch
    if table is not None:
        yield table.finish()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the garbage collector from walking a chunk's rows again and again: half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _csv_limit(max_field_chars: int) -> Iterator[None]:
    previous = csv.field_size_limit(max_field_chars)
    try:
        yield
    finally:
        csv.field_size_limit(previous)


def _transpose(header: tuple[str, ...], rows: list[list[str]]) -> dict[str, list[str]]:
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}


def _parse_objects(chunk: Chunk) -> Batch:
    batch = Batch(rejects=list(chunk.rejects))
    rows = []
    for run in chunk.runs:
        for number, line in enumerate(run.lines, run.first_line):
            row = _parse_object(line)
            if isinstance(row, dict):
                batch.lines.append(number)
                rows.append(row)
            elif row is not None:
                batch.rejects.append(Reject(number, row, excerpt(line)))
    names = dict.fromkeys(name for row in rows for name in row)
    batch.columns = {name: [row.get(name) for row in rows] for name in names}
    return batch


def _parse_object(line: str) -> dict[str, Any] | str | None:
    """Return the object on a line, why it cannot be used, or None for an empty line.

    Corpora of 2014 print Python dicts instead of JSON: read as literals, never evaluated.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        if not line.strip():
            return None
        try:
            row = ast.literal_eval(line.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return MALFORMED
    if not isinstance(row, dict) or not all(isinstance(name, str) for name in row):
        return MALFORMED
    # Half of a surrogate pair, written as an escape, is no character.
    if "\\ud" in line or "\\uD" in line:
        try:
            repr_of_text = json.dumps(row, ensure_ascii=False, default=str)
            repr_of_text.encode()
        except UnicodeEncodeError:
            return WRONG_ENCODING
    return row


class _CsvTable:
    """Rows of a CSV file, chunk by chunk.

    A record that goes wrong, such as one with a quote that is never closed, is rejected by its
    first line alone: reading resumes on the line after, so that it takes no sound row with it.
    """

    def __init__(self, header: tuple[str, ...], delimiter: str) -> None:
        self.header = header
        self.delimiter = delimiter
        # A record whose quoted field is still open where the chunk ends.
        self._open = Run(0, [])

    @classmethod
    def from_header(cls, chunk: Chunk, path: Path) -> _CsvTable:
        """Take the header off the first chunk."""
        run = chunk.runs[0]
        line = run.lines.pop(0).rstrip("\r") if run.lines else ""
        delimiter = max(_DELIMITERS, key=line.count)
        try:
            header = tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter)))
        except csv.Error:
            header = ()
        if not header:
            raise DataError(f"{path}: the first line must name the columns, and cannot be read")
        if repeated := {name for name in header if header.count(name) > 1}:
            raise DataError(f"{path} names the column '{min(repeated)}' twice; rename one")
        chunk.runs[0] = Run(run.first_line + 1, run.lines)
        return cls(header, delimiter)

    def read(self, chunk: Chunk) -> Batch:
        """Return the records that end in a chunk."""
        batch = Batch(rejects=list(chunk.rejects))
        rows: list[list[str]] = []
        for index, run in enumerate(chunk.runs):
            lines = Run(run.first_line, [line + "\n" for line in run.lines])
            if self._open.lines:
                lines = Run(self._open.first_line, self._open.lines + lines.lines)
            may_continue = index == len(chunk.runs) - 1
            end = self._parse(lines, may_continue, batch, rows)
            self._open = Run(lines.first_line + end, lines.lines[end:])
        batch.columns = _transpose(self.header, rows)
        return batch

    def finish(self) -> Batch:
        """Return what is left at the end of the file."""
        batch = Batch()
        rows: list[list[str]] = []
        self._parse(self._open, False, batch, rows)
        batch.columns = _transpose(self.header, rows)
        return batch

    def _parse(self, run: Run, may_continue: bool, batch: Batch, rows: list[list[str]]) -> int:
        """Add a run's records to the batch; return where the first unfinished one begins."""
        if regular := self._parse_regular(run.lines):
            batch.lines.extend(range(run.first_line, run.first_line + len(run.lines)))
            rows.extend(regular)
            return len(run.lines)
        start = 0
        while start < len(run.lines):
            begin = start
            remaining = map(run.lines.__getitem__, range(begin, len(run.lines)))
            reader = csv.reader(remaining, delimiter=self.delimiter, strict=True)
            try:
                for row in reader:
                    end = begin + reader.line_num
                    if len(row) == len(self.header):
                        batch.lines.append(run.first_line + start)
                        rows.append(row)
                    elif end - start > 1:
                        raise csv.Error("a quoted field swallowed lines")
                    elif row:
                        self._reject(batch, run, start)
                    start = end
            except csv.Error as error:
                if may_continue and "unexpected end" in str(error):
                    return start
                self._reject(batch, run, start)
                start += 1
        return start

    def _parse_regular(self, lines: list[str]) -> list[list[str]] | None:
        """Return one row for each line, or None if any line is anything but one sound row."""
        try:
            rows = list(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error:
            return None
        one_each = len(rows) == len(lines) and set(map(len, rows)) == {len(self.header)}
        return rows if one_each else None

    @staticmethod
    def _reject(batch: Batch, run: Run, index: int) -> None:
        reject = Reject(run.first_line + index, MALFORMED, excerpt(run.lines[index]))
        batch.rejects.append(reject)
