"""Event and item files to a clean, split data set on disk.

Enters: files as teams and corpora have them. Leaves: ``events.parquet`` (grouped by user in order
of first appearance, oldest first, ties in the file's order), ``items.parquet`` (in the catalogue's
order), ``searches.parquet`` where the log holds searches (``event_type`` search, a ``text`` and no
item), ``users.parquet`` where users describe themselves, ``rejects.jsonl.gz``, ``report.json``
and a manifest; ``genrec.data.Dataset`` reads them.

Why DuckDB: every step over all events (joining, removing duplicates, sorting, k-core, splits) is
a query that DuckDB runs within a memory limit, spilling to disk beside the output, so a file may
be many times larger than memory. Polars streams scans, but sorts and windows in memory, without a
limit to set; ``datasets`` has neither joins nor grouping. Text files are read block by block
outside of it: so a bad line is told by number and reason, and the sound ones around it are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from genrec.artifacts import write_aside, write_manifest
from genrec.data.clean import check_columns
from genrec.data.config import PrepareConfig
from genrec.data.dataset import EVENTS_FILE, ITEMS_FILE, KIND, SEARCHES_FILE, USERS_FILE
from genrec.data.formats import FORMATS
from genrec.data.look import Look, look_at
from genrec.data.reading import Reading, settle
from genrec.data.report import Report, write_files
from genrec.data.rows import Batch
from genrec.data.sources import FileKind
from genrec.data.splits import (
    assign_splits,
    bring_feedback_back,
    keep_core,
    set_feedback_aside,
)
from genrec.data.staging import Staging
from genrec.data.streams import expand
from genrec.errors import ConfigError, DataError
from genrec.progress import working
from genrec.schema import ITEM_ID, TIMESTAMP, USER_ID

__all__ = ["PrepareConfig", "Report", "prepare"]

_REQUIRED = {
    "event": (USER_ID, ITEM_ID, TIMESTAMP),
    "item": (ITEM_ID,),
    "user": (USER_ID,),
}


def prepare(
    events: str | Path | Sequence[str | Path],
    items: str | Path | Sequence[str | Path] | None,
    out: Path,
    config: PrepareConfig | None = None,
    users: str | Path | Sequence[str | Path] | None = None,
) -> Report:
    """Read, clean and split events, and write them with their catalogue.

    Args:
        events: One file or several; several count as one, in the order given. Directories and
            globs stand for the files that they hold.
        items: The catalogue, likewise; None: the items that the events name, in order of
            appearance.
        out: Directory to write; a data set already there is replaced, on success only.
        config: Settings; None: the defaults.
        users: What users say of themselves, likewise: ``user_id`` and ``about``; other columns are
            kept as words of it. Users without events may be among them.

    Raises:
        DataError: A file cannot be read, a column is missing or unknown, or more rows than
            ``max_reject_share`` cannot be used. Nothing is left on disk.
        ConfigError: ``memory_limit`` is too small.
    """
    config = config or PrepareConfig()
    event_files, item_files = _files(events), _files(() if items is None else items)
    user_files = _files(() if users is None else users)
    if not event_files:
        raise DataError("no event file is given; name at least one")
    with write_aside(Path(out)) as scratch:
        with staging_in(scratch, config) as staging:
            joined = FORMATS[config.format].join
            tables = event_files, item_files
            if joined is not None:
                event_tables = joined(event_files, staging.directory)
                tables = event_tables, item_files and joined(item_files, staging.directory)
            readings = look_at_all(*tables, config, user_files)
            for reading, kind in readings:
                reading.check(config)
                for batch in _read(reading, kind, staging):
                    staging.add(batch, reading, kind)
            report = finish(staging, scratch, bool(item_files), [each for each, _ in readings])
        files = {
            "events": [file.name for file in event_files],
            "items": [file.name for file in item_files],
            "users": [file.name for file in user_files],
        }
        settings = config.model_dump(mode="json") | {"files": files}
        write_manifest(scratch, Path(out), KIND, settings, content_files(scratch))
    return report


@contextmanager
def staging_in(scratch: Path, config: PrepareConfig) -> Iterator[Staging]:
    """Open a database for a preparation, beside its output; it goes at the end.

    Raises:
        ConfigError: ``memory_limit`` turns out too small.
    """
    with (
        TemporaryDirectory(dir=scratch) as workspace,
        _naming_the_limit(config),
        closing(Staging(Path(workspace), config)) as staging,
    ):
        yield staging


def content_files(directory: Path) -> list[str]:
    """Return the files that prepared data consist of; searches and users only where there are."""
    names = (EVENTS_FILE, ITEMS_FILE, SEARCHES_FILE, USERS_FILE)
    return [name for name in names if (directory / name).exists()]


def finish(
    staging: Staging, scratch: Path, has_items: bool, readings: Sequence[Reading] = ()
) -> Report:
    """Clean, split and write what was read.

    Raises:
        DataError: Too much of it cannot be used.
    """
    with working("Cleaning, splitting and writing"):
        staging.resolve(has_items)
        has_feedback = set_feedback_aside(staging.connection)
        keep_core(staging.connection, staging.config)
        starts = assign_splits(staging.connection, staging.config)
        if has_feedback:
            bring_feedback_back(staging.connection, staging.config)
        return write_files(staging, scratch, starts, readings)


def look_at_all(
    events: Sequence[Path],
    items: Sequence[Path],
    config: PrepareConfig,
    users: Sequence[Path] = (),
) -> list[tuple[Reading, FileKind]]:
    """Look at all files, item files first, and settle how to read each.

    Raises:
        DataError: One cannot be read at all.
    """
    corpus = FORMATS[config.format]
    readings: list[tuple[Reading, FileKind]] = []
    kinds: tuple[tuple[FileKind, Sequence[Path]], ...] = (
        *(("item", items), ("event", events), ("user", users)),
    )
    for kind, files in kinds:
        source = corpus.of(kind)
        before: Look | None = None
        for file in files:
            before = look_at(file, config, source.layout, kind != "event", before, source.nested)
            readings.append((settle(before, source, kind, config), kind))
    unused = {pair.partition("=")[2].lower() for pair in config.columns}
    unused -= {name.lower() for reading, _ in readings for name in reading.look.columns}
    if unused:
        found = ", ".join(dict.fromkeys(n for reading, _ in readings for n in reading.look.columns))
        raise DataError(f"columns: no file has a column '{min(unused)}' (found: {found})")
    return readings


def _files(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    return expand([paths] if isinstance(paths, str | Path) else paths)


def _read(reading: Reading, kind: FileKind, staging: Staging) -> Iterator[Batch]:
    """Yield the batches of a file that hold rows; hand what cannot be read to ``staging``."""
    path = reading.look.path
    required = [name for name in _REQUIRED[kind] if name in reading.source.columns]
    for batch in reading.batches(staging.config, staging.directory):
        staging.reject(batch.rejects, path, kind)
        if batch.lines:
            check_columns(list(batch.columns), reading, required, path)
            # A JSON file may leave a column out for a while; a CSV file cannot.
            required = []
            yield batch


@contextmanager
def _naming_the_limit(config: PrepareConfig) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise ConfigError(
            f"memory_limit {config.memory_limit} is too small for these files; raise it"
        ) from None
