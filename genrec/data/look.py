"""A look at a file: what it seems to be, from a sample of it.

Enters: a path, and what the user said about it. Leaves: a ``Look``, which ``genrec inspect``
prints and from which ``genrec.data.reading`` settles how to read the file.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from genrec.data.config import ReadingConfig
from genrec.data.dialects import is_sequence, tell_dialect, tell_encoding
from genrec.data.lines import Block
from genrec.data.markup import has_markup
from genrec.data.nested import flat
from genrec.data.objects import parse_object, read_lines, read_stream
from genrec.data.roles import KNOWN, plain
from genrec.data.rows import Batch, Dialect
from genrec.data.separated import read_separated
from genrec.data.streams import compression, open_bytes
from genrec.data.tables import read_arrow, read_excel, read_parquet
from genrec.errors import DataError

Kind = Literal["separated", "JSON lines", "JSON", "Parquet", "Arrow", "Excel"]

_SAMPLE_BYTES = 1 << 18
_SAMPLE_ROWS = 5000
_JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}
_NOT_READ = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"Obj\x01": "an Avro file; write it as Parquet",
    b"ORC": "an ORC file; write it as Parquet",
    b"SQLite format 3": "a SQLite database; export the table as CSV",
    b"%PDF": "a PDF file",
    b"\x93NUMPY": "a NumPy file; write it as Parquet",
    b"\x89HDF": "an HDF5 file; write it as Parquet",
    b"FEA1": "a Feather file of version 1; write it anew",
    b"\x80\x04": "a pickle; write it as Parquet",
    b"\x80\x05": "a pickle; write it as Parquet",
}


@dataclass
class Look:
    """What a file seems to be.

    Attributes:
        path: The file.
        kind: Its format.
        compression: Of the whole file.
        dialect: Of separated text; of the others only the encoding counts.
        header_missing: The first line holds values.
        wrong_encoding: Share of the sampled lines that are not of the encoding.
        other_encoding: One of which they are.
        columns: The sampled values as text, "" for missing, by name.
    """

    path: Path
    kind: Kind
    compression: str | None
    dialect: Dialect = field(default_factory=Dialect)
    header_missing: bool = False
    wrong_encoding: float = 0.0
    other_encoding: str | None = None
    columns: dict[str, list[str]] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """Rows in the sample."""
        return max(map(len, self.columns.values()), default=0)

    def values(self, name: str | None) -> list[str]:
        """Return the sampled values of a column that are not missing."""
        return [value for value in self.columns.get(name or "", ()) if value.strip()]

    def floats(self, name: str | None) -> bool:
        """Whether a column's values look like integers that were made floats."""
        values = self.values(name)
        return bool(values) and all(re.fullmatch(r"\d+\.0", value) for value in values)

    def words_found(self, words: Sequence[str]) -> list[str]:
        """Return which of some words are values."""
        found = {value for values in self.columns.values() for value in values}
        return [word for word in words if word in found]

    def markup_share(self) -> float:
        """Return the share of the rows in which a text holds markup."""
        rows = itertools.zip_longest(*self.columns.values(), fillvalue="")
        marked = sum(any(map(has_markup, row)) for row in rows)
        return marked / max(1, self.num_rows)


def look_at(
    path: Path,
    config: ReadingConfig,
    layout: Dialect | None = None,
    certain_first: bool = False,
    before: Look | None = None,
    nested: bool = False,
) -> Look:
    """Look at the beginning of a file.

    Args:
        path: The file.
        config: What the user said about it.
        layout: How a corpus' file without a header is written, if it is one.
        certain_first: Whether what the file certainly is beats ``config``: for item files, as
            options are first of all about events.
        before: The part before this one, for parts of which only the first has a header.
        nested: Whether what lies within objects is a column, too.

    Raises:
        DataError: It cannot be read at all.
    """
    with open_bytes(path) as (stream, raw):
        packed = None if stream is raw else compression(raw_start(path))
        sample = stream.read(_SAMPLE_BYTES)
        whole = len(sample) < _SAMPLE_BYTES
    if not sample:
        raise DataError(f"{path} is empty")
    kind = _binary_kind(sample)
    if kind is None:
        _refuse_unknown(path, sample)
    else:
        look = Look(path, kind, packed)
        _keep(look, _read_binary(look, config), nested)
        return look
    encoding, wrong, guess = tell_encoding(sample)
    if config.encoding and not (certain_first and not wrong and encoding != "utf-8"):
        if not (certain_first and not wrong and not sample.isascii()):
            encoding, wrong, guess = config.encoding, 0.0, None
    if layout is not None:
        encoding, wrong, guess = config.encoding or layout.encoding, 0.0, None
    if encoding.startswith(("utf-16", "utf-32")):
        sample = sample[: len(sample) // 4 * 4].decode(encoding, "replace").encode()
    # Where some lines are not of the encoding, the look goes on with the one they may be of.
    text_encoding = guess or ("utf-8" if encoding.startswith(("utf-16", "utf-32")) else encoding)
    sample = sample.removeprefix(b"\xef\xbb\xbf")
    text = sample.decode(text_encoding, "replace").removeprefix("\ufeff")
    look = Look(path, _text_kind(path, text, layout), packed, Dialect(encoding=encoding))
    look.wrong_encoding, look.other_encoding = wrong, guess
    if look.kind == "separated":
        if layout is not None:
            look.dialect = layout
        else:
            if is_sequence(text[: text.rfind("\n")]):
                raise DataError(
                    f"{path}: each line seems to be a user and what they took; it looks like "
                    "--format sequences"
                )
            look.dialect, look.header_missing = tell_dialect(
                text, encoding, KNOWN, config, certain_first
            )
            _take_header(look, before)
        if look.dialect.carriage_returns:
            sample = sample.replace(b"\r", b"\n")
    cut = sample.rfind(b"\n") + 1
    data = sample if whole or not cut else sample[:cut]
    block = Block(1, data, text_encoding, len(data) + 1)
    _keep(look, _read_text(look, block), nested)
    if nested and look.num_rows == 1 and not KNOWN.intersection(map(plain, look.columns)):
        for name, values in look.columns.items():
            if values and values[0].startswith("[{"):
                raise DataError(f"{path} is one object; write the list '{name}' in it as a file")
    return look


def raw_start(path: Path) -> bytes:
    """Return the first bytes of a file as it lies on disk."""
    with path.open("rb") as file:
        return file.read(8)


def _take_header(look: Look, before: Look | None) -> None:
    """Give a part without a header that of the part before it."""
    header = look.dialect.header
    if before is None or header is None or len(before.columns) != len(header):
        return
    look.dialect = replace(look.dialect, header=tuple(before.columns))
    look.header_missing = False


def _refuse_unknown(path: Path, sample: bytes) -> None:
    for magic, what in _NOT_READ.items():
        if sample.startswith(magic):
            raise DataError(f"{path} is {what}")
    start = sample[:2000].lstrip().lower()
    if start.startswith((b"<?xml", b"<!doctype", b"<html")):
        raise DataError(f"{path} is XML or HTML, maybe an error page; export it as CSV or JSON")
    if re.match(rb"(--|/\*).{0,400}\bdump|insert into |create table ", start, re.DOTALL):
        raise DataError(f"{path} is a dump of SQL statements; export the table as CSV")


def _binary_kind(sample: bytes) -> Kind | None:
    if sample.startswith(b"PAR1"):
        return "Parquet"
    if sample.startswith(b"ARROW1"):
        return "Arrow"
    if sample.startswith(b"\xd0\xcf\x11\xe0") or (
        sample.startswith(b"PK\x03\x04") and (b"xl/" in sample or b"[Content_Types]" in sample)
    ):
        return "Excel"
    return None


def _text_kind(path: Path, text: str, layout: Dialect | None) -> Kind:
    start = text.lstrip()
    if layout is not None:
        return "separated"
    if re.match(r"\[\s*(\{|\]|$)", start):
        return "JSON"
    if start.startswith("{"):
        line = start.split("\n", 1)[0]
        alone = isinstance(parse_object(line), dict)
        return "JSON lines" if alone or not _begins_with_an_object(start) else "JSON"
    if _JSON_SUFFIXES.intersection(path.suffixes):
        return "JSON lines"
    return "separated"


def _begins_with_an_object(text: str) -> bool:
    """Whether a text begins with a JSON object, which may be longer than the text."""
    try:
        return isinstance(json.JSONDecoder().raw_decode(text)[0], dict)
    except json.JSONDecodeError as error:
        return error.pos >= len(text) - 1 or error.msg.startswith("Unterminated")
    except RecursionError:
        return False


def read(look: Look, blocks: Iterator[Block], max_line_bytes: int) -> Iterator[Batch]:
    """Yield the rows of a text file in the way it was found to be written."""
    if look.kind == "separated":
        return read_separated(blocks, look.path, look.dialect)
    if look.kind == "JSON":
        return read_stream(blocks, max_line_bytes)
    return read_lines(blocks)


def _read_text(look: Look, block: Block) -> Iterator[Batch]:
    return read(look, iter([block]), len(block.data) + 1)


def _read_binary(look: Look, config: ReadingConfig) -> Iterator[Batch]:
    with TemporaryDirectory() as workspace:
        yield from read_binary(look, Path(workspace), config.time_zone)


def read_binary(look: Look, workspace: Path, time_zone: str) -> Iterator[Batch]:
    """Yield the rows of a file that knows its columns."""
    if look.kind == "Parquet":
        return read_parquet(look.path, workspace, time_zone)
    if look.kind == "Arrow":
        return read_arrow(look.path, workspace, time_zone)
    return read_excel(look.path)


def _keep(look: Look, batches: Iterator[Batch], nested: bool) -> None:
    for batch in map(flat, batches) if nested else batches:
        for name, column in batch.columns.items():
            head = column[:_SAMPLE_ROWS]
            values = head if isinstance(head, list) else head.to_pylist()
            seen = look.columns.setdefault(name, [])
            seen += ["" if value is None else _text(value) for value in values]
        if look.num_rows >= _SAMPLE_ROWS:
            break


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
