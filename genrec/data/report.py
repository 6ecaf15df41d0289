"""What a preparation tells about itself, and the files it leaves.

Enters: the DuckDB tables of ``staging`` and ``splits``. Leaves: ``events.parquet``,
``items.parquet``, ``rejects.jsonl.gz``, ``report.json`` and a ``Report``. Equal tables give equal
bytes, whatever the number of threads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from genrec.data.database import one_row
from genrec.data.dataset import (
    EVENTS_FILE,
    ITEMS_FILE,
    REJECTS_FILE,
    REPORT_FILE,
    SEARCHES_FILE,
    USERS_FILE,
)
from genrec.data.reading import Reading
from genrec.data.staging import Staging
from genrec.schema import (
    ABOUT,
    ATTRIBUTES,
    BRAND,
    CATEGORIES,
    DESCRIPTION,
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    REVIEW,
    SPLIT,
    SPLITS,
    TEXT,
    TIMESTAMP,
    TITLE,
    USER_ID,
    Split,
)

# Large enough to compress and scan well, small enough to hold with long reviews.
_ROW_GROUP_ROWS = 1 << 17

_YEAR_1990 = 631_152_000

EVENT_SCHEMA = pa.schema(
    {
        USER_ID: pa.string(),
        ITEM_ID: pa.string(),
        TIMESTAMP: pa.int64(),
        EVENT_TYPE: pa.string(),
        RATING: pa.float64(),
        TITLE: pa.string(),
        REVIEW: pa.string(),
        SPLIT: pa.string(),
    }
)
SEARCH_SCHEMA = pa.schema({USER_ID: pa.string(), TIMESTAMP: pa.int64(), TEXT: pa.string()})
USER_SCHEMA = pa.schema({USER_ID: pa.string(), ABOUT: pa.string()})
ITEM_SCHEMA = pa.schema(
    {
        ITEM_ID: pa.string(),
        TITLE: pa.string(),
        BRAND: pa.string(),
        CATEGORIES: pa.list_(pa.string()),
        DESCRIPTION: pa.string(),
        TEXT: pa.string(),
        ATTRIBUTES: pa.string(),
    }
)

_EVENTS = """
SELECT user_id, item_id, assigned.time // 1000000 AS timestamp, event_type, rating, title,
    review, split
FROM assigned JOIN events_read USING (seq)
ORDER BY user_key, assigned.time, seq
"""

_ITEMS = """
SELECT items_read.item_id, title, brand, categories, description, text, attributes
FROM items_read JOIN catalogue ON seq = item_key
WHERE $every_item OR item_key IN (SELECT item_key FROM kept)
ORDER BY item_key
"""

_SEARCHES = """
SELECT user_id, time // 1000000 AS timestamp, text
FROM events_read JOIN users USING (user_id)
WHERE text IS NOT NULL AND reason IS NULL AND user_key IN (SELECT user_key FROM kept)
GROUP BY user_id, user_key, time, text
ORDER BY user_key, time, min(seq)
"""

_USERS = """
SELECT users_read.user_id, about FROM users_read JOIN described ON seq = user_seq ORDER BY seq
"""

_REJECTS = """
COPY (SELECT file, line, reason, excerpt FROM rejects ORDER BY file, line) TO $path
(FORMAT json, COMPRESSION gzip)
"""

_TOTALS = """
SELECT count(*), count(DISTINCT user_key), min(time) // 1000000, max(time) // 1000000
FROM assigned
"""


@dataclass(frozen=True)
class Report:
    """What came in, what was left out and why, and what came out.

    Every row is accounted for: ``event_rows`` = ``events`` + ``event_duplicates`` +
    ``events_filtered`` + ``searches`` + the sum of ``event_rejects``, and likewise for items.

    Attributes:
        event_rows: Rows read.
        event_rejects: Rows that cannot be used, by reason, most frequent first.
        event_duplicates: Rows equal to an earlier one in every column.
        events_filtered: Events dropped by min_user_events and min_item_events.
        searches: Rows that are searches; those of users with events are kept.
        item_rows: Rows read; without an item file, the items that the events name.
        item_rejects: As for events.
        item_duplicates: As for events.
        items_filtered: Items dropped by min_item_events.
        events: Events written.
        users: Users with events.
        described: Users who say something of themselves, with events or without.
        user_rows: Rows of users read.
        user_rejects: Rows of users that cannot be used, as for events.
        items: Items of the catalogue.
        items_with_events: Items that some event names.
        splits: Events in each split, and those against their items, where there are any.
        first_timestamp: Of the oldest event, seconds.
        last_timestamp: Of the newest event, seconds.
        split_starts: When valid and test begin, seconds; None for leave-one-out.
        repaired: What was mended: count and one example of each kind, most frequent first.
        taken: For each file, what was taken from its look and not said.
        warnings: What may be wrong.
    """

    event_rows: int
    event_rejects: dict[str, int]
    event_duplicates: int
    events_filtered: int
    searches: int
    item_rows: int
    item_rejects: dict[str, int]
    item_duplicates: int
    items_filtered: int
    events: int
    users: int
    described: int
    user_rows: int
    user_rejects: dict[str, int]
    items: int
    items_with_events: int
    splits: dict[str, int]
    first_timestamp: int
    last_timestamp: int
    split_starts: dict[Split, int] | None
    repaired: dict[str, dict[str, int | str]]
    taken: dict[str, list[str]]
    warnings: list[str]


def write_files(
    staging: Staging,
    directory: Path,
    starts: dict[Split, int] | None,
    readings: Sequence[Reading],
) -> Report:
    """Write the events, items, rejects and report; return the report."""
    connection = staging.connection
    _write_parquet(connection.sql(_EVENTS), EVENT_SCHEMA, directory / EVENTS_FILE)
    if staging.searches:
        _write_parquet(connection.sql(_SEARCHES), SEARCH_SCHEMA, directory / SEARCHES_FILE)
    if staging.count("described"):
        _write_parquet(connection.sql(_USERS), USER_SCHEMA, directory / USERS_FILE)
    every_item = {"every_item": staging.config.min_item_events == 0}
    catalogue = connection.sql(_ITEMS, params=every_item)
    items = _write_parquet(catalogue, ITEM_SCHEMA, directory / ITEMS_FILE)
    connection.execute(_REJECTS, {"path": str(directory / REJECTS_FILE)})
    report = _build_report(staging, items, starts, readings)
    text = json.dumps(asdict(report), indent=2, ensure_ascii=False)
    (directory / REPORT_FILE).write_text(text + "\n", encoding="utf-8")
    return report


def _build_report(
    staging: Staging, items: int, starts: dict[Split, int] | None, readings: Sequence[Reading]
) -> Report:
    connection = staging.connection
    events, users, first, last = one_row(connection, _TOTALS)
    splits = dict(
        connection.execute("SELECT split, count(*) FROM assigned GROUP BY split").fetchall()
    )
    event_rows, event_rejects = staging.rows_read["event"], staging.reject_counts("event")
    item_rows, item_rejects = staging.rows_read["item"], staging.reject_counts("item")
    usable, known = staging.usable_events, staging.count("catalogue")
    (with_events,) = one_row(connection, "SELECT count(DISTINCT item_key) FROM kept")
    return Report(
        event_rows=event_rows,
        event_rejects=event_rejects,
        event_duplicates=event_rows - sum(event_rejects.values()) - usable - staging.searches,
        events_filtered=usable - events,
        searches=staging.searches,
        item_rows=item_rows,
        item_rejects=item_rejects,
        item_duplicates=item_rows - sum(item_rejects.values()) - known,
        items_filtered=known - items,
        events=events,
        users=users,
        described=staging.count("described"),
        user_rows=staging.rows_read["user"],
        user_rejects=staging.reject_counts("user"),
        items=items,
        items_with_events=with_events,
        splits={**dict.fromkeys(SPLITS, 0), **splits},
        first_timestamp=first,
        last_timestamp=last,
        split_starts=starts,
        repaired=staging.repairs.report(),
        taken={each.look.path.name: each.taken for each in readings if each.taken},
        warnings=_warnings(staging, last, readings),
    )


def _warnings(staging: Staging, last: int, readings: Sequence[Reading]) -> list[str]:
    warnings = [f"{each.look.path.name}: {doubt}" for each in readings for doubt in each.doubts]
    if last < _YEAR_1990 and staging.config.order == "time":
        warnings.append(
            "the newest event lies before 1990: its times look like counters or days, not seconds "
            "since 1970 (see time_unit and time_format)"
        )
    return list(dict.fromkeys(warnings))


def _write_parquet(rows: duckdb.DuckDBPyRelation, schema: pa.Schema, path: Path) -> int:
    """Write rows in their order; return how many."""
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in _row_groups(rows.to_arrow_reader(1 << 14), schema):
            writer.write_table(table, row_group_size=_ROW_GROUP_ROWS)
            count += len(table)
    return count


def _row_groups(batches: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.Table]:
    """Cut the rows at fixed places, so that the bytes do not depend on DuckDB's batches."""
    pending = [schema.empty_table()]
    for batch in batches:
        pending.append(pa.Table.from_batches([batch]).cast(schema))
        if sum(map(len, pending)) < _ROW_GROUP_ROWS:
            continue
        rows = pa.concat_tables(pending)
        whole = len(rows) - len(rows) % _ROW_GROUP_ROWS
        for start in range(0, whole, _ROW_GROUP_ROWS):
            yield rows.slice(start, _ROW_GROUP_ROWS).combine_chunks()
        pending = [rows.slice(whole)]
    if rest := pa.concat_tables(pending):
        yield rest.combine_chunks()
