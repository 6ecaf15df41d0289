"""Bytes of a file to numbered lines of text, whatever the bytes are.

Enters: a path. Leaves: chunks of decoded lines, and a reject for every line that is too long or
not of the encoding. Memory is bounded by the chunk and the longest line allowed, never by the
file. Knows nothing of what the lines mean.
"""

from __future__ import annotations

import gzip
import itertools
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from genrec.errors import DataError
from genrec.progress import progress

CHUNK_BYTES = 4 << 20
EXCERPT_CHARS = 160

OVERLONG = "line too long"
WRONG_ENCODING = "wrong encoding"

_GZIP = b"\x1f\x8b"
_UNREADABLE = {
    b"\x28\xb5\x2f\xfd": "zstd-compressed; decompress it or use gzip",
    b"BZh": "bzip2-compressed; decompress it or use gzip",
    b"\xfd7zXZ": "xz-compressed; decompress it or use gzip",
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\xff\xfe": "UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`",
    b"\xfe\xff": "UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`",
}


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


def excerpt(text: str) -> str:
    """Return how a text begins, on one line."""
    return " ".join(text[: 2 * EXCERPT_CHARS].split())[:EXCERPT_CHARS]


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, through gzip where its first bytes say so.

    Raises:
        DataError: Missing, empty, a directory, or of a compression we do not read.
    """
    try:
        raw = path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; check the path") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a directory; name the files in it") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    with raw:
        start = raw.peek(8)[:8]
        if not start:
            raise DataError(f"{path} is empty")
        for magic, what in _UNREADABLE.items():
            if start.startswith(magic):
                raise DataError(f"{path} is {what}")
        if not start.startswith(_GZIP):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as unpacked:
            try:
                yield cast(IO[bytes], unpacked)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise DataError(
                    f"{path} is a truncated or damaged gzip file ({error}); fetch it again"
                ) from None


def read_chunks(path: Path, encoding: str, max_line_bytes: int) -> Iterator[Chunk]:
    """Yield the lines of a file behind a progress bar."""
    megabytes = max(1, os.path.getsize(path) >> 20)
    with open_bytes(path) as stream, progress() as bar:
        task = bar.add_task(f"Reading {path.name} (MB)", total=megabytes, note="")
        raw: Any = stream.fileobj if isinstance(stream, gzip.GzipFile) else stream
        first_line = 1
        for lines in _whole_lines(stream, max_line_bytes):
            if first_line == 1:
                lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            yield _decode(lines, first_line, encoding, max_line_bytes)
            first_line += len(lines)
            bar.update(task, completed=raw.tell() >> 20)


def _whole_lines(stream: IO[bytes], max_line_bytes: int) -> Iterator[list[bytes]]:
    """Yield lists of whole lines; an overlong one is cut, but stays longer than allowed."""
    cap = max_line_bytes + 1
    pending = b""
    while data := stream.read(CHUNK_BYTES):
        lines = data.split(b"\n")
        lines[0] = (pending + lines[0])[:cap]
        pending = lines.pop()[:cap]
        if lines:
            yield lines
    if pending:
        yield [pending]


def _decode(lines: list[bytes], first_line: int, encoding: str, max_line_bytes: int) -> Chunk:
    if max(map(len, lines)) <= max_line_bytes:
        try:
            return Chunk([Run(first_line, [line.decode(encoding) for line in lines])])
        except UnicodeDecodeError:
            pass
    decoded = [_decode_line(line, encoding, max_line_bytes) for line in lines]
    runs, rejects = [Run(first_line, [])], []
    numbered = zip(itertools.count(first_line), lines, decoded, strict=False)
    for number, line, (text, reason) in numbered:
        if reason is None:
            runs[-1].lines.append(text)
        else:
            shown = line[: 2 * EXCERPT_CHARS].decode(encoding, "replace")
            rejects.append(Reject(number, reason, excerpt(shown)))
            runs.append(Run(number + 1, []))
    return Chunk(runs, rejects)


def _decode_line(line: bytes, encoding: str, max_line_bytes: int) -> tuple[str, str | None]:
    if len(line) > max_line_bytes:
        return "", OVERLONG
    try:
        return line.decode(encoding), None
    except UnicodeDecodeError:
        return "", WRONG_ENCODING
