"""Event and item files to a clean, split data set on disk.

Enters: files as teams and corpora have them. Leaves: ``events.parquet`` (grouped by user in order
of first appearance, oldest first, ties in the file's order), ``items.parquet`` (in the catalogue's
order), ``rejects.jsonl.gz``, ``report.json`` and a manifest; ``genrec.data.Dataset`` reads them.

Why DuckDB: every step over all events (joining, removing duplicates, sorting, k-core, splits) is
a query that DuckDB runs within a memory limit, spilling to disk beside the output, so a file may
be many times larger than memory. Polars streams scans, but sorts and windows in memory, without a
limit to set; ``datasets`` has neither joins nor grouping. Only reading is done line by line in
Python: so a bad line is told by number and reason, and the sound ones around it are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from genrec.artifacts import write_aside, write_manifest
from genrec.data.clean import check_columns, event_table, item_table
from genrec.data.config import PrepareConfig
from genrec.data.dataset import EVENTS_FILE, ITEMS_FILE, KIND
from genrec.data.files import read_batches
from genrec.data.formats import FORMATS, Source
from genrec.data.report import Report, write_files
from genrec.data.rows import Batch
from genrec.data.splits import assign_splits, keep_core
from genrec.data.staging import Staging
from genrec.errors import ConfigError, DataError
from genrec.progress import working
from genrec.schema import ITEM_ID, TIMESTAMP, USER_ID

__all__ = ["PrepareConfig", "Report", "prepare"]

_REQUIRED = {"event": (USER_ID, ITEM_ID, TIMESTAMP), "item": (ITEM_ID,)}


def prepare(
    events: Path | Sequence[Path],
    items: Path | None,
    out: Path,
    config: PrepareConfig | None = None,
) -> Report:
    """Read, clean and split events, and write them with their catalogue.

    Args:
        events: One file or several; several count as one, in the order given.
        items: The catalogue; None: the items that the events name, in order of appearance.
        out: Directory to write; a data set already there is replaced, on success only.
        config: Settings; None: the defaults.

    Raises:
        DataError: A file cannot be read, a column is missing or unknown, or more rows than
            ``max_reject_share`` cannot be used. Nothing is left on disk.
        ConfigError: ``memory_limit`` is too small.
    """
    config = config or PrepareConfig()
    event_files = [Path(file) for file in ([events] if isinstance(events, str | Path) else events)]
    item_files = [Path(items)] if items is not None else []
    if not event_files:
        raise DataError("no event file is given; name at least one")
    with write_aside(Path(out)) as scratch:
        with (
            TemporaryDirectory(dir=scratch) as workspace,
            _naming_the_limit(config),
            closing(Staging(Path(workspace), config)) as staging,
        ):
            _read_items(item_files, staging)
            _read_events(event_files, staging)
            with working("Cleaning, splitting and writing"):
                staging.resolve(has_items=bool(item_files))
                keep_core(staging.connection, config)
                starts = assign_splits(staging.connection, config)
                report = write_files(staging, scratch, starts)
        files = {
            "events": [file.name for file in event_files],
            "items": [file.name for file in item_files],
        }
        settings = config.model_dump(mode="json") | {"files": files}
        write_manifest(scratch, Path(out), KIND, settings, [EVENTS_FILE, ITEMS_FILE])
    return report


def _read_items(files: Sequence[Path], staging: Staging) -> None:
    source = FORMATS[staging.config.format].items
    for file in files:
        for batch in _read(file, source, "item", staging):
            staging.add_items(item_table(batch, source), file)


def _read_events(files: Sequence[Path], staging: Staging) -> None:
    source = FORMATS[staging.config.format].events
    for file in files:
        for batch in _read(file, source, "event", staging):
            staging.add_events(event_table(batch, source), file, source.time)


def _read(path: Path, source: Source, kind: str, staging: Staging) -> Iterator[Batch]:
    """Yield the batches of a file that hold rows; hand what cannot be read to ``staging``."""
    config = staging.config
    required = _REQUIRED[kind]
    for batch in read_batches(path, source.layout, config.max_line_bytes, staging.directory):
        staging.reject(batch.rejects, path, kind)
        if batch.lines:
            check_columns(list(batch.columns), source, required, path, config.ignore_columns)
            # A JSON file may leave a column out for a while; a CSV file cannot.
            required = ()
            yield batch


@contextmanager
def _naming_the_limit(config: PrepareConfig) -> Iterator[None]:
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise ConfigError(
            f"memory_limit {config.memory_limit} is too small for these files; raise it"
        ) from None
