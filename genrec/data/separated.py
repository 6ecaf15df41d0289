"""Separated text (CSV, TSV and their kin) to batches of columns.

Enters: blocks of ``lines`` and a ``Dialect``. Leaves: batches, with the line each row starts on,
and rejects. A block in which every line is one sound row is read by Arrow; any other line by line,
so that a bad row is told by number and takes no sound one with it. (DuckDB's reader would need
the file unpacked on disk, and does not say on which line a row that it accepts begins.)
"""

from __future__ import annotations

import csv
import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from genrec.data.lines import Block, Reject, Run, excerpt
from genrec.data.rows import MALFORMED, Batch, Dialect
from genrec.errors import DataError


def read_separated(blocks: Iterable[Block], path: Path, dialect: Dialect) -> Iterator[Batch]:
    """Yield the rows of a separated file.

    Raises:
        DataError: The header cannot be used.
    """
    table = None
    for block in blocks:
        if table is None:
            table, block = _Table.from_header(block, path, dialect)
        if block.data:
            yield table.read(block)
    if table is not None:
        yield table.finish()


def parse(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    """Yield the fields of each record.

    Raises:
        csv.Error: From the iterator, at a record that breaks the dialect's rules.
    """
    if dialect.quote is None and (dialect.escape is None or len(dialect.delimiter) > 1):
        # One space or several are between fields that spaces separate.
        between = None if dialect.delimiter == " " else dialect.delimiter
        yield from (line.rstrip("\r\n").split(between) for line in lines)
        return
    yield from csv.reader(lines, **_csv_options(dialect))


def _csv_options(dialect: Dialect) -> dict[str, Any]:
    return {
        "delimiter": dialect.delimiter,
        "quotechar": dialect.quote,
        "quoting": csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL,
        "escapechar": dialect.escape,
        "skipinitialspace": dialect.delimiter == " ",
        "strict": True,
    }


@contextmanager
def _quick(max_field_chars: int) -> Iterator[None]:
    """Bound a field, and keep the garbage collector from walking the rows again and again."""
    previous, was_enabled = csv.field_size_limit(max_field_chars), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        csv.field_size_limit(previous)
        if was_enabled:
            gc.enable()


class _Table:
    """Rows of a file, block by block.

    A record that goes wrong, such as one with a quote that is never closed, is rejected by its
    first line alone: reading resumes on the line after, so that it takes no sound row with it.
    """

    def __init__(self, header: tuple[str, ...], dialect: Dialect) -> None:
        self.header = header + (("",) if dialect.trailing else ())
        self.dialect = dialect
        # Dumps write \N for a missing value: it has to outlive the escape that its "\" would be.
        delimiter, escape = re.escape(dialect.delimiter), re.escape(dialect.escape or "\0")
        self._null = re.compile(rf"(^|{delimiter}){escape}N(?=\r?\n|{delimiter})")
        # A record whose quoted field is still open where the block ends.
        self._open = Run(0, [])

    @classmethod
    def from_header(cls, block: Block, path: Path, dialect: Dialect) -> tuple[_Table, Block]:
        """Take what precedes the rows off the first block."""
        header = dialect.header
        lines = block.data.split(b"\n", dialect.skip_lines + (header is None))
        skipped, data = lines[:-1], lines[-1]
        if header is None:
            if not block.data.endswith(b"\n") and len(skipped) <= dialect.skip_lines:
                skipped, data = lines, b""
            header = _names(skipped[-1], block, path, dialect)
        rest = Block(block.first_line + len(skipped), data, block.encoding, block.max_line_bytes)
        return cls(header, dialect), rest

    def read(self, block: Block) -> Batch:
        """Return the records that end in a block."""
        if not self._open.lines and (columns := self._read_regular(block)):
            lines = range(block.first_line, block.first_line + len(columns[0]))
            return Batch(list(lines), self._named(columns))
        with _quick(block.max_line_bytes):
            return self._read_careful(block)

    def finish(self) -> Batch:
        """Return what is left at the end of the file."""
        batch, rows = Batch(), list[list[str]]()
        self._parse(self._open, False, batch, rows)
        return self._with_rows(batch, rows)

    def _named(self, columns: Iterable[pa.Array]) -> dict[str, Any]:
        named = dict(zip(self.header, columns, strict=True))
        if self.dialect.trailing:
            del named[""]
        return named

    def _with_rows(self, batch: Batch, rows: list[list[str]]) -> Batch:
        if rows:
            columns = (pa.array(column, pa.string()) for column in zip(*rows, strict=True))
            batch.columns = self._named(columns)
        return batch

    def _read_regular(self, block: Block) -> list[pa.Array] | None:
        """Return the columns if every line of a block is one sound row, else None."""
        data, dialect = block.data, self.dialect
        if dialect.escape or len(dialect.delimiter) > 1 or b"\n\n" in data:
            return None
        if dialect.delimiter == " " and (b"  " in data or b" \n" in data or b"\n " in data):
            return None
        if data.count(b"\r") != data.count(b"\r\n") or not self._quotes_are_regular(data):
            return None
        try:
            if block.encoding != "utf-8":
                data = data.decode(block.encoding).encode()
            table = arrow_csv.read_csv(
                pa.py_buffer(data),
                arrow_csv.ReadOptions(
                    column_names=[str(place) for place in range(len(self.header))],
                    block_size=len(data) + 1,
                    use_threads=False,
                ),
                arrow_csv.ParseOptions(
                    delimiter=dialect.delimiter,
                    quote_char=dialect.quote or False,
                    newlines_in_values=True,
                ),
                arrow_csv.ConvertOptions(
                    column_types={str(place): pa.string() for place in range(len(self.header))},
                    strings_can_be_null=False,
                ),
            )
        except (pa.ArrowInvalid, UnicodeDecodeError):
            return None
        num_lines = block.data.count(b"\n") + (not block.data.endswith(b"\n"))
        if len(table) != num_lines or self._is_overlong(block):
            return None
        return [column.combine_chunks() for column in table.columns]

    def _quotes_are_regular(self, data: bytes) -> bool:
        """Whether each quote opens a field, closes one, or is doubled: Arrow lets others pass."""
        if self.dialect.quote is None:
            return True
        quote, delimiter = self.dialect.quote.encode(), self.dialect.delimiter.encode()
        total = data.count(quote)
        if not total:
            return True
        opening = data.count(delimiter + quote) + data.count(b"\n" + quote) + (data[:1] == quote)
        closing = data.count(quote + delimiter) + data.count(quote + b"\n")
        closing += data.count(quote + b"\r\n") + (data[-1:] == quote)
        doubled = data.count(quote + quote)
        return opening == closing and total == opening + closing + 2 * doubled

    @staticmethod
    def _is_overlong(block: Block) -> bool:
        if len(block.data) <= block.max_line_bytes:
            return False
        return max(map(len, block.data.split(b"\n"))) > block.max_line_bytes

    def _read_careful(self, block: Block) -> Batch:
        chunk = block.decode()
        batch, rows = Batch(rejects=list(chunk.rejects)), list[list[str]]()
        for index, run in enumerate(chunk.runs):
            lines = Run(
                run.first_line, [self._null.sub(r"\1\\\\N", line + "\n") for line in run.lines]
            )
            if self._open.lines:
                lines = Run(self._open.first_line, self._open.lines + lines.lines)
            may_continue = index == len(chunk.runs) - 1
            end = self._parse(lines, may_continue, batch, rows)
            self._open = Run(lines.first_line + end, lines.lines[end:])
        return self._with_rows(batch, rows)

    def _parse(self, run: Run, may_continue: bool, batch: Batch, rows: list[list[str]]) -> int:
        """Add a run's records to the batch; return where the first unfinished one begins."""
        start = 0
        while start < len(run.lines):
            begin, end = start, start
            remaining = map(run.lines.__getitem__, range(begin, len(run.lines)))
            counted = _Counting(remaining)
            try:
                for row in parse(counted, self.dialect):
                    end = begin + counted.count
                    if len(row) != len(self.header):
                        if end - start > 1:
                            raise csv.Error("a quoted field swallowed lines")
                        if run.lines[start].strip():
                            self._reject(batch, run, start)
                    elif end - start > 1 and self._swallowed(run.lines[start:end]):
                        raise csv.Error("a quoted field swallowed rows")
                    else:
                        batch.lines.append(run.first_line + start)
                        rows.append(row)
                    start = end
            except csv.Error as error:
                if may_continue and "unexpected end" in str(error):
                    return start
                self._reject(batch, run, start)
                start += 1
        return start

    def _swallowed(self, lines: list[str]) -> bool:
        """Whether any further line of a record is a sound row by itself.

        It is one if the first line seems whole, it has as many fields itself, and each that is a
        number or a date on the first line is one here; texts that list things ("soft, warm,
        green") have spaces after their commas.
        """
        first = lines[0].rstrip("\r\n").split(self.dialect.delimiter)
        if len(first) < len(self.header):
            return False
        shapes = [_shape(field) for field in first]
        for line in lines[1:]:
            try:
                (fields,) = parse([line], self.dialect)
            except (csv.Error, ValueError):
                continue
            if len(fields) != len(self.header) or not fields[0].strip():
                continue
            pairs = [pair for pair in zip(shapes, fields, strict=False) if all(pair)]
            alike = all(_shape(field) == shape for shape, field in pairs)
            found = any(pairs) or not any(shapes)
            if alike and found and not any(field[:1] == " " for field in fields):
                return True
        return False

    @staticmethod
    def _reject(batch: Batch, run: Run, index: int) -> None:
        reject = Reject(run.first_line + index, MALFORMED, excerpt(run.lines[index]))
        batch.rejects.append(reject)


class _Counting:
    """An iterator over lines that knows how many were taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.count = 0

    def __iter__(self) -> _Counting:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += 1
        return line


def _shape(field: str) -> str | None:
    """Return "9-9-9" for a date and "9" for a number; None for a text."""
    shape = re.sub(r"\d+(\.\d+)?", "9", field.strip())
    return shape if shape[:1] == "9" and not re.search(r"[^\W\d_]{2}", shape) else None


def _names(line: bytes, block: Block, path: Path, dialect: Dialect) -> tuple[str, ...]:
    try:
        (fields,) = parse([line.decode(block.encoding).rstrip("\r")], dialect)
        names = tuple(name.strip() for name in fields)
    except (csv.Error, UnicodeDecodeError, ValueError):
        names = ()
    if not any(names):
        raise DataError(f"{path}: the first line must name the columns, and cannot be read")
    if repeated := {name for name in names if name and names.count(name) > 1}:
        raise DataError(f"{path} names the column '{min(repeated)}' twice; rename one")
    return names
