"""What a job leaves on disk while it runs: a part for each shard, joined at the end.

A part appears under its name only when it is whole, so whoever finds one need not make it again.
Works on any filesystem that pyarrow knows: paths, s3://, gs:// and others.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from genrec.errors import ConfigError
from genrec.frames.answers import RECOMMENDATIONS
from genrec.schema import USER_ID

REJECTS = pa.schema({USER_ID: pa.string(), "reason": pa.string()})
SETTINGS_FILE = "job.json"


class Parts:
    """The parts of one output file."""

    def __init__(self, out: str) -> None:
        """Find the filesystem.

        Raises:
            ConfigError: The URL names no filesystem that can be reached.
        """
        try:
            self._files, self._out = _filesystem(out)
        except (OSError, ValueError, ImportError, pa.ArrowInvalid) as error:
            raise ConfigError(f"cannot write to {out}: {str(error).splitlines()[0]}") from None
        self._folder = f"{self._out}.parts"
        self.rejects = f"{self._out.removesuffix('.parquet')}.rejects.parquet"

    def open(self, settings: dict[str, Any]) -> None:
        """Make the folder of parts, or go on in it if the same job was cut off.

        Raises:
            ConfigError: Another job was cut off here, or the output is a folder.
        """
        if self._files.get_file_info(self._out).type == fs.FileType.Directory:
            raise ConfigError(f"{self._out} is a folder; name a file, such as recs.parquet")
        text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
        path = f"{self._folder}/{SETTINGS_FILE}"
        if self._exists(path):
            with self._files.open_input_stream(path) as file:
                if file.read().decode() != text:
                    raise ConfigError(
                        f"{self._folder} holds an unfinished job with other settings, model, data "
                        "or users; start with those to go on, or remove the folder"
                    )
            return
        self._files.create_dir(self._folder, recursive=True)
        # Parts without settings are what was left of a job that ended.
        self._files.delete_dir_contents(self._folder)
        self._write(path, text.encode())

    def has(self, number: int) -> bool:
        """Tell whether a shard is finished."""
        return self._exists(self._part(number))

    def write(self, number: int, rows: pa.Table, rejects: pa.Table) -> None:
        """Write the answers of a shard."""
        # The answers come last: they say that the shard is finished.
        for path, table in ((self._rejected(number), rejects), (self._part(number), rows)):
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink)
            self._write(path, sink.getvalue())

    def join(self, count: int, unknown: pa.Table) -> tuple[int, int]:
        """Write the output and the rejects from all parts, a part at a time, and remove the parts.

        Args:
            count: How many parts there are.
            unknown: Rejects of no shard.

        Returns:
            Rows of the output and of the rejects.
        """
        rows = self._join([self._part(n) for n in range(count)], self._out, RECOMMENDATIONS, None)
        rejected = self._join(
            [self._rejected(n) for n in range(count)], self.rejects, REJECTS, unknown
        )
        # First the settings: a job that is killed here has ended.
        self._files.delete_file(f"{self._folder}/{SETTINGS_FILE}")
        self._files.delete_dir(self._folder)
        return rows, rejected

    def _join(self, parts: list[str], out: str, schema: pa.Schema, more: pa.Table | None) -> int:
        aside, rows = f"{out}.tmp", 0
        with self._files.open_output_stream(aside) as sink, pq.ParquetWriter(sink, schema) as file:
            for part in parts:
                table = pq.read_table(part, filesystem=self._files)
                file.write_table(table)
                rows += len(table)
            if more is not None and len(more):
                file.write_table(more)
                rows += len(more)
        self._files.move(aside, out)
        return rows

    def _write(self, path: str, content: Any) -> None:
        with self._files.open_output_stream(f"{path}.tmp") as file:
            file.write(content)
        self._files.move(f"{path}.tmp", path)

    def _exists(self, path: str) -> bool:
        return bool(self._files.get_file_info(path).type == fs.FileType.File)

    def _part(self, number: int) -> str:
        return f"{self._folder}/part-{number:06d}.parquet"

    def _rejected(self, number: int) -> str:
        return f"{self._folder}/part-{number:06d}.rejects.parquet"


def _filesystem(out: str) -> tuple[Any, str]:
    """Return the filesystem of a path or URL, pyarrow's own or fsspec's, and the path in it."""
    if "://" not in out:
        local = Path(out).resolve()
        local.parent.mkdir(parents=True, exist_ok=True)
        return fs.LocalFileSystem(), str(local)
    try:
        found, path = fs.FileSystem.from_uri(out)
    except pa.ArrowInvalid:
        import fsspec

        found, path = fsspec.core.url_to_fs(out)
        found = fs.PyFileSystem(fs.FSSpecHandler(found))
    return found, str(path)
