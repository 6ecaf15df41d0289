"""Bytes of a file to numbered lines of text, whatever the bytes are.

Enters: a path. Leaves: blocks of whole lines, and chunks of decoded ones with a reject for every
line that is too long or not of the encoding. Memory is bounded by the block and the longest line
allowed, never by the file. Knows nothing of what the lines mean.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from genrec.data.streams import as_utf8, open_bytes
from genrec.errors import DataError
from genrec.progress import progress

# DuckDB takes in large batches best.
CHUNK_BYTES = 24 << 20
EXCERPT_CHARS = 160

OVERLONG = "line too long"
WRONG_ENCODING = "wrong encoding"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be used.

    Attributes:
        line: Where it starts, from 1; in a Parquet file the row.
        reason: Short, the same for all rows with this fault.
        excerpt: How it begins.
    """

    line: int
    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Run:
    """Lines that follow each other in the file, without their line ends."""

    first_line: int
    lines: list[str]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a file.

    Attributes:
        runs: Never empty. Unusable lines lie between two runs, so that nothing is read across
            them; the last run goes on in the next chunk.
        rejects: The unusable lines.
    """

    runs: list[Run]
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a file as they are; an overlong one is cut, but stays longer than allowed."""

    first_line: int
    data: bytes
    encoding: str
    max_line_bytes: int

    def decode(self) -> Chunk:
        """Return the lines as text."""
        lines = self.data.removesuffix(b"\n").split(b"\n")
        if max(map(len, lines)) <= self.max_line_bytes:
            try:
                return Chunk([Run(self.first_line, [line.decode(self.encoding) for line in lines])])
            except UnicodeDecodeError:
                pass
        runs, rejects = [Run(self.first_line, [])], []
        for number, line in zip(itertools.count(self.first_line), lines, strict=False):
            text, reason = self._decode_line(line)
            if reason is None:
                runs[-1].lines.append(text)
            else:
                shown = line[: 2 * EXCERPT_CHARS].decode(self.encoding, "replace")
                rejects.append(Reject(number, reason, excerpt(shown)))
                runs.append(Run(number + 1, []))
        return Chunk(runs, rejects)

    def _decode_line(self, line: bytes) -> tuple[str, str | None]:
        if len(line) > self.max_line_bytes:
            return "", OVERLONG
        try:
            return line.decode(self.encoding), None
        except UnicodeDecodeError:
            return "", WRONG_ENCODING


def excerpt(text: str) -> str:
    """Return how a text begins, on one line."""
    return " ".join(text[: 2 * EXCERPT_CHARS].split())[:EXCERPT_CHARS]


def read_blocks(
    path: Path,
    encoding: str,
    max_line_bytes: int,
    carriage_returns: bool = False,
    whole_lines: bool = True,
) -> Iterator[Block]:
    """Yield the lines of a file behind a progress bar.

    Args:
        path: The file.
        encoding: Of its text. UTF-16 and UTF-32 are turned to UTF-8 on the way.
        max_line_bytes: Longer lines are cut.
        carriage_returns: Whether lines end in a carriage return alone.
        whole_lines: Whether a block ends where a line does; else anywhere, and nothing is cut.

    Raises:
        DataError: The file is not of the encoding.
    """
    megabytes = max(1, os.path.getsize(path) >> 20)
    with open_bytes(path) as (stream, raw), progress() as bar:
        if encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32")):
            stream, encoding = as_utf8(stream, encoding), "utf-8"
        task = bar.add_task(f"Reading {path.name} (MB)", total=megabytes, note="")
        first_line = 1
        if whole_lines:
            parts = _whole_lines(stream, max_line_bytes, carriage_returns)
        else:
            parts = iter(lambda: stream.read(CHUNK_BYTES), b"")
        try:
            for data in parts:
                if first_line == 1:
                    data = data.removeprefix(_BYTE_ORDER_MARK)
                yield Block(first_line, data, encoding, max_line_bytes)
                first_line += data.count(b"\n")
                bar.update(task, completed=raw.tell() >> 20)
        except UnicodeError as error:
            raise DataError(f"{path} is of another encoding ({error}); see --encoding") from None


def _whole_lines(stream: IO[bytes], max_line_bytes: int, carriage_returns: bool) -> Iterator[bytes]:
    cap = max_line_bytes + 1
    pending = b""
    while data := stream.read(CHUNK_BYTES):
        if carriage_returns:
            data = data.replace(b"\r", b"\n")
        end = data.rfind(b"\n") + 1
        if not end:
            pending = (pending + data)[:cap]
            continue
        first = data.index(b"\n")
        yield (pending + data[:first])[:cap] + data[first:end]
        pending = data[end:][:cap]
    if pending:
        yield pending
