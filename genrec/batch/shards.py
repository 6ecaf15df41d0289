"""Cuts a data set into shards of users, each a range of rows that can be read by itself.

Those who are known by a description alone have no rows; they come last, by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from genrec.batching import in_batches
from genrec.data.dataset import EVENTS_FILE, Dataset
from genrec.errors import DataError
from genrec.schema import EVENT_COLUMNS, USER_ID, Event, History

_BATCH_ROWS = 1 << 14


@dataclass(frozen=True)
class Shard:
    """Some users, who lie side by side in the file of events, or who have none.

    Attributes:
        number: From 0.
        start: First row.
        end: Row after the last one.
        users: How many are asked about.
        without_events: Those of them who are known by a description alone; then there are no rows.
    """

    number: int
    start: int
    end: int
    users: int
    without_events: tuple[str, ...] = ()


def read_users_file(path: Path | str) -> frozenset[str]:
    """Return the user IDs of a file: Parquet or CSV with a column ``user_id``, or lines of text.

    Raises:
        DataError: It cannot be read, has no such column, or names nobody.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            column = pq.read_table(path, columns=[USER_ID]).column(0)
        elif path.suffix in (".csv", ".tsv"):
            read = pa.csv.read_csv(
                path,
                parse_options=pa.csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ","),
                convert_options=pa.csv.ConvertOptions(
                    include_columns=[USER_ID], column_types={USER_ID: pa.string()}
                ),
            )
            column = read.column(0)
        else:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            column = pa.chunked_array([[line.strip() for line in lines]], pa.string())
        if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
            column = pc.cast(column, pa.string())
    except FileNotFoundError:
        raise DataError(f"no file {path} of users; give one, or 'all'") from None
    except (OSError, ValueError, KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} cannot be read ({reason}); give Parquet or CSV with a column '{USER_ID}', or "
            "text with one ID a line"
        ) from None
    ids = frozenset(user_id for user_id in column.to_pylist() if user_id)
    if not ids:
        raise DataError(f"{path} names no user")
    return ids


def cut_shards(
    data: Dataset, size: int, wanted: frozenset[str] | None
) -> tuple[list[Shard], frozenset[str]]:
    """Cut the users of a data set into shards, in the order of the file.

    Reads the column of user IDs alone, and who describes themselves.

    Args:
        data: Grouped by user.
        size: Users of a shard.
        wanted: Whom to ask about; None: everybody.

    Returns:
        The shards, and those wanted who are not in the data.
    """
    shards: list[Shard] = []
    unknown = set(wanted or ())
    newcomers = dict.fromkeys(data.descriptions)
    start = row = users = 0
    for user_id, length in _runs(data):
        newcomers.pop(user_id, None)
        if wanted is None or user_id in wanted:
            if users == size:
                shards.append(Shard(len(shards), start, row, users))
                start, users = row, 0
            users += 1
            unknown.discard(user_id)
        row += length
    if users:
        shards.append(Shard(len(shards), start, row, users))
    asked = [user_id for user_id in newcomers if wanted is None or user_id in wanted]
    for some in in_batches(asked, size):
        shards.append(Shard(len(shards), row, row, len(some), tuple(some)))
    return shards, frozenset(unknown.difference(asked))


def read_shard(data: Dataset, shard: Shard, wanted: frozenset[str] | None) -> Iterator[History]:
    """Yield the histories of a shard's users, oldest event first."""
    if shard.without_events:
        yield from (data.with_words(user_id, ()) for user_id in shard.without_events)
        return
    file = pq.ParquetFile(data.path / EVENTS_FILE)
    ends = np.cumsum([file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)])
    first, last = np.searchsorted(ends, [shard.start, shard.end - 1], side="right")
    row = int(ends[first - 1]) if first else 0
    events: list[Event] = []
    groups = list(range(int(first), int(last) + 1))
    for batch in file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=list(EVENT_COLUMNS)):
        low, high = max(shard.start - row, 0), min(shard.end - row, len(batch))
        row += len(batch)
        if low < high:
            part = batch.slice(low, high - low)
            columns = [part.column(name).to_pylist() for name in EVENT_COLUMNS]
            events += map(Event, *columns)
    for user_id, own in groupby(events, key=lambda event: event.user_id):
        if wanted is None or user_id in wanted:
            yield data.with_words(user_id, tuple(own))


def _runs(data: Dataset) -> Iterator[tuple[str, int]]:
    """Yield each user with their number of events."""
    data.check_events()
    last, count = None, 0
    file = pq.ParquetFile(data.path / EVENTS_FILE)
    for batch in file.iter_batches(1 << 17, columns=[USER_ID]):
        runs = pc.run_end_encode(batch.column(0))
        lengths = np.diff(runs.run_ends.to_numpy(), prepend=0).tolist()
        for user_id, length in zip(runs.values.to_pylist(), lengths, strict=True):
            if user_id == last:
                count += length
                continue
            if last is not None:
                yield last, count
            last, count = user_id, length
    if last is not None:
        yield last, count
