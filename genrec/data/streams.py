"""Paths as people give them to files, and files to bytes, whatever compressed them.

Enters: files, directories and globs. Leaves: single files, and streams of unpacked bytes. Knows
nothing of what the bytes mean.
"""

from __future__ import annotations

import bz2
import codecs
import glob
import gzip
import lzma
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from genrec.errors import DataError

_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, pa.ArrowException, OSError, ValueError)


def expand(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files that paths, directories and globs name; parts in the order of their numbers.

    Spark's and Hive's own files (``_SUCCESS``, ``.crc``) are left out.

    Raises:
        DataError: A directory or a glob holds no file.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = [each for each in path.rglob("*") if _is_data(each, path)]
        elif not path.exists() and glob.has_magic(str(path)):
            matches = map(Path, glob.glob(str(path), recursive=True))
            found = [each for each in matches if _is_data(each, each.parent)]
        else:
            files.append(path)
            continue
        if not found:
            raise DataError(f"{path} names no data file; check the path")
        files += sorted(found, key=_natural)
    return files


def _is_data(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(("_", ".")) for part in path.relative_to(root).parts)
    return path.is_file() and not hidden and path.stat().st_size > 0


def _natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _pieces(str(path))]


def _pieces(text: str) -> list[str]:
    return re.split(r"(\d+)", text)


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Open a file for reading, through gzip, zstd, bzip2 or xz where its first bytes say so.

    Yields:
        The unpacked stream, and the file under it, whose position shows the progress.

    Raises:
        DataError: Missing, empty, a directory, or damaged.
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
        name = compression(raw.peek(8)[:8])
        if not raw.peek(1):
            raise DataError(f"{path} is empty")
        if name is None:
            yield raw, raw
            return
        try:
            yield _unpack(raw, name), raw
        except _BROKEN as error:
            raise DataError(
                f"{path} is a truncated or damaged {name} file ({error}); fetch it again"
            ) from None


def compression(start: bytes) -> str | None:
    """Return what compressed a file that starts so; None: nothing we know."""
    return next((name for magic, name in _MAGIC.items() if start.startswith(magic)), None)


def _unpack(raw: IO[bytes], name: str) -> IO[bytes]:
    if name == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if name == "bzip2":
        return cast(IO[bytes], bz2.BZ2File(raw))
    if name == "xz":
        return cast(IO[bytes], lzma.LZMAFile(raw))
    return cast(IO[bytes], pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd"))


def as_utf8(stream: IO[bytes], encoding: str) -> IO[bytes]:
    """Return a stream of another encoding as UTF-8; what cannot be decoded becomes U+FFFD."""
    return cast(IO[bytes], codecs.EncodedFile(stream, "utf-8", encoding, errors="replace"))
