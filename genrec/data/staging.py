"""Rows on their way: judged, numbered and kept in DuckDB, within a memory limit.

Enters: Arrow tables of ``clean``. Leaves: the tables ``events_read``, ``items_read``,
``catalogue``, ``kept`` and ``rejects`` of one DuckDB database. Splits and output are others' work.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa

from genrec.data.clean import event_table, item_table, user_table
from genrec.data.config import PrepareConfig
from genrec.data.database import connect, one_row
from genrec.data.lines import EXCERPT_CHARS, Reject
from genrec.data.reading import Reading
from genrec.data.repairs import Repairs
from genrec.data.rows import Batch
from genrec.data.sources import FileKind
from genrec.errors import DataError
from genrec.schema import SEARCHES

# Every DuckDB thread wants buffers of its own out of the memory limit.
_MAX_THREADS = 8

# Seconds of the last moment of the year 9999: what lies beyond is another unit, not a time.
_LAST_SECOND = 253_402_300_799

# A row of events with a text is a search, and has no item.
_TABLES = """
CREATE TABLE rejects (kind VARCHAR, file VARCHAR, line BIGINT, reason VARCHAR, excerpt VARCHAR);
CREATE TABLE items_read (
    seq BIGINT, file VARCHAR, line BIGINT, item_id VARCHAR, title VARCHAR, brand VARCHAR,
    categories VARCHAR[], description VARCHAR, text VARCHAR, attributes VARCHAR,
    fingerprint UHUGEINT
);
CREATE TABLE events_read (
    seq BIGINT, file VARCHAR, line BIGINT, user_id VARCHAR, item_id VARCHAR, time BIGINT,
    event_type VARCHAR, rating DOUBLE, title VARCHAR, review VARCHAR, fingerprint UHUGEINT,
    reason VARCHAR, excerpt VARCHAR, text VARCHAR
);
CREATE TABLE users_read (
    seq BIGINT, file VARCHAR, line BIGINT, user_id VARCHAR, about VARCHAR
);
"""

# Control characters are gone from all text, so they can part the columns.
_FINGERPRINT = "md5_number(concat_ws(chr(31), {}))"

_EVENT_FINGERPRINT = _FINGERPRINT.format(
    "coalesce(event_type, ''), coalesce(rating::VARCHAR, ''), coalesce(title, ''), "
    "coalesce(review, '')"
)

_ADD_ITEMS = f"""
INSERT INTO items_read
SELECT seq, $file, line, nullif(item_id, ''), nullif(title, ''), nullif(brand, ''), categories,
    nullif(description, ''), text, attributes,
    {
    _FINGERPRINT.format(
        "coalesce(title, ''), coalesce(brand, ''), array_to_string(categories, chr(30)), "
        "coalesce(description, ''), coalesce(text, '')"
    )
}
FROM batch
"""

_ADD_EVENTS = f"""
INSERT INTO events_read
WITH typed AS (
    SELECT seq, line, nullif(user_id, '') AS user_id, nullif(item_id, '') AS item_id,
        nullif(trim(timestamp), '') AS written, {{seconds}} AS seconds,
        nullif(trim(rating), '') AS stars, try_cast(rating AS DOUBLE) AS rating,
        nullif(event_type, '') AS event_type, nullif(title, '') AS title,
        nullif(review, '') AS review, nullif(text, '') AS text,
        coalesce(item_id, '') = '' AND lower(coalesce(event_type, '')) IN {SEARCHES} AS is_search
    FROM batch
), judged AS (
    SELECT *, CASE
        WHEN user_id IS NULL THEN 'missing user_id'
        WHEN is_search AND text IS NULL THEN 'search without text'
        WHEN item_id IS NULL AND NOT is_search THEN 'missing item_id'
        WHEN written IS NULL THEN 'missing timestamp'
        WHEN seconds IS NULL OR NOT isfinite(seconds) THEN 'unreadable timestamp'
        WHEN seconds < 0 THEN 'negative timestamp'
        WHEN seconds > {_LAST_SECOND} THEN 'timestamp after the year 9999 (milliseconds?)'
        WHEN stars IS NOT NULL AND (rating IS NULL OR NOT isfinite(rating))
            THEN 'rating is not a number'
        WHEN rating < coalesce($min_rating, rating) OR rating > coalesce($max_rating, rating)
            THEN 'rating out of range'
    END AS reason
    FROM typed
)
SELECT seq, $file, line, user_id, item_id,
    CASE WHEN reason IS NULL THEN round(seconds * 1e6)::BIGINT END, event_type, rating, title,
    review,
    {_EVENT_FINGERPRINT},
    reason,
    CASE WHEN reason IS NOT NULL
        THEN left(concat_ws(',', user_id, item_id, written, stars, title), {EXCERPT_CHARS}) END,
    CASE WHEN is_search THEN text END
FROM judged
"""

_ADD_USERS = """
INSERT INTO users_read
SELECT seq, $file, line, nullif(user_id, ''), nullif(about, '') FROM batch
"""

_ADD_CLEAN_USERS = "INSERT INTO users_read SELECT seq, $file, seq, user_id, about FROM batch"

_ADD_CLEAN_ITEMS = """
INSERT INTO items_read
SELECT seq, $file, seq, item_id, title, brand, categories, description, text, attributes, 0
FROM batch
"""

_ADD_CLEAN_EVENTS = f"""
INSERT INTO events_read
SELECT seq, $file, seq, user_id, item_id, timestamp * 1000000, event_type, rating, title, review,
    {_EVENT_FINGERPRINT}, NULL, NULL, text
FROM batch
"""

_ADD_REJECTS = "INSERT INTO rejects SELECT $kind, $file, line, reason, excerpt FROM batch"

_RESOLVE_ITEMS = f"""
CREATE TABLE catalogue AS
    SELECT item_id, min(seq) AS item_key FROM items_read WHERE item_id IS NOT NULL GROUP BY item_id;
INSERT INTO rejects
    SELECT 'item', file, line, 'missing item_id', left(coalesce(title, ''), {EXCERPT_CHARS})
    FROM items_read WHERE item_id IS NULL;
INSERT INTO rejects
    SELECT 'item', again.file, again.line, 'repeated item_id',
        left(again.item_id, {EXCERPT_CHARS})
    FROM items_read again JOIN catalogue USING (item_id)
    JOIN items_read first ON first.seq = item_key
    WHERE again.seq <> item_key AND again.fingerprint <> first.fingerprint;
"""

_CATALOGUE_OF_EVENTS = """
CREATE TABLE catalogue AS
    SELECT item_id, min(seq) AS item_key FROM events_read
    WHERE reason IS NULL AND text IS NULL GROUP BY item_id;
INSERT INTO items_read (seq, item_id, categories) SELECT item_key, item_id, [] FROM catalogue;
"""

# Whoever says nothing is no error: a form may be left empty.
_RESOLVE_USERS = f"""
INSERT INTO rejects
    SELECT 'user', file, line, 'missing user_id', left(coalesce(about, ''), {EXCERPT_CHARS})
    FROM users_read WHERE user_id IS NULL;
CREATE TABLE described AS
    SELECT user_id, min(seq) AS user_seq FROM users_read
    WHERE user_id IS NOT NULL AND about IS NOT NULL GROUP BY user_id;
INSERT INTO rejects
    SELECT 'user', again.file, again.line, 'repeated user_id',
        left(again.user_id, {EXCERPT_CHARS})
    FROM users_read again JOIN described USING (user_id)
    JOIN users_read first ON first.seq = user_seq
    WHERE again.about <> first.about;
"""

_REJECT_EVENTS = f"""
INSERT INTO rejects
    SELECT 'event', file, line, reason, excerpt FROM events_read WHERE reason IS NOT NULL;
INSERT INTO rejects
    SELECT 'event', file, line, 'unknown item', left(item_id, {EXCERPT_CHARS})
    FROM events_read ANTI JOIN catalogue USING (item_id) WHERE reason IS NULL AND text IS NULL;
"""

# A user's key is where the user first appears, an item's where the catalogue names it: keys
# order as the files do. The first of equal rows stays.
_KEEP_EVENTS = """
CREATE TABLE users AS
    SELECT user_id, min(seq) AS user_key FROM events_read SEMI JOIN catalogue USING (item_id)
    WHERE reason IS NULL GROUP BY user_id;
CREATE TABLE kept AS
    SELECT min(seq) AS seq, user_key, item_key, time
    FROM events_read JOIN users USING (user_id) JOIN catalogue USING (item_id)
    WHERE reason IS NULL GROUP BY user_key, item_key, time, fingerprint;
"""


_COUNT_SEARCHES = "SELECT count(*) FROM events_read WHERE reason IS NULL AND text IS NOT NULL"

# IDs such as 3.0 where the other file, or the same, has 3: (table, column, where 3 is looked up).
_FLOAT_IDS = (
    ("events_read", "item_id", "items_read"),
    ("items_read", "item_id", "events_read"),
    ("events_read", "user_id", "events_read"),
)


_TABLE_OF = {"item": (item_table, _ADD_ITEMS), "user": (user_table, _ADD_USERS)}
_ADD_CLEAN: Mapping[FileKind, str] = {
    "event": _ADD_CLEAN_EVENTS,
    "item": _ADD_CLEAN_ITEMS,
    "user": _ADD_CLEAN_USERS,
}


class Staging:
    """A DuckDB database that spills to a directory of its own, and the rows read so far.

    It has no file: what does not fit the memory limit is spilled, and nothing has to outlive it.
    """

    def __init__(self, directory: Path, config: PrepareConfig) -> None:
        self.directory = directory
        self.config = config
        self.usable_events = 0
        self.searches = 0
        self.rows_read: Counter[str] = Counter()
        self.repairs = Repairs(config.no_repair)
        self.connection = connect(
            config={
                "memory_limit": config.memory_limit,
                "temp_directory": str(directory / "spill"),
                "threads": min(_MAX_THREADS, os.cpu_count() or 1),
                # All that leaves is sorted by its keys, so no operator has to keep an order.
                "preserve_insertion_order": False,
            },
            time_zone=config.time_zone,
        )
        self.connection.execute(_TABLES)

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    def add(self, batch: Batch, reading: Reading, kind: FileKind) -> None:
        """Take in rows of a file, and judge each event."""
        values: dict[str, object] = {"file": str(reading.look.path)}
        if kind != "event":
            make, query = _TABLE_OF[kind]
            self._insert(query, self._numbered(make(batch, reading, self.repairs), kind), values)
            return
        table = self._numbered(event_table(batch, reading, self.repairs), kind)
        seconds = reading.time.seconds("timestamp")
        if self.config.order == "file":
            table = table.set_column(
                table.schema.get_field_index("timestamp"),
                "timestamp",
                table["seq"].cast(pa.string()),
            )
            seconds = "seq::DOUBLE"
        values |= {"min_rating": self.config.min_rating, "max_rating": self.config.max_rating}
        self._insert(_ADD_EVENTS.format(seconds=seconds), table, values)

    def add_clean(self, table: pa.Table, file: Path, kind: FileKind) -> None:
        """Take in rows that were judged and cleaned before, in our columns and types.

        Each item may come once.
        """
        self._insert(_ADD_CLEAN[kind], self._numbered(table, kind), {"file": str(file)})

    def _numbered(self, batch: pa.Table, kind: str) -> pa.Table:
        first = self.rows_read[kind]
        self.rows_read[kind] += len(batch)
        numbers = np.arange(first, first + len(batch), dtype=np.int64)
        return batch.append_column("seq", pa.array(numbers))

    def _insert(self, query: str, batch: pa.Table, values: Mapping[str, object]) -> None:
        # Each batch is a transaction of its own: one over many would hold all their tables.
        self.connection.register("batch", batch)
        self.connection.execute(query, dict(values))
        self.connection.unregister("batch")

    def reject(self, rejects: list[Reject], file: Path, kind: str) -> None:
        """Note rows that could not even be read."""
        self.rows_read[kind] += len(rejects)
        if rejects:
            batch = pa.Table.from_pylist([asdict(reject) for reject in rejects])
            self._insert(_ADD_REJECTS, batch, {"kind": kind, "file": str(file)})

    def resolve(self, has_items: bool) -> None:
        """Make the catalogue and keep the events that can be used, each once.

        Raises:
            DataError: Too many rows cannot be used, or none can.
        """
        if self.repairs.wants("float-ids"):
            for repair in _FLOAT_IDS if has_items else _FLOAT_IDS[-1:]:
                self._mend_ids(repair)
        self.connection.execute(_RESOLVE_ITEMS if has_items else _CATALOGUE_OF_EVENTS)
        if not has_items:
            self.rows_read["item"] = self.count("catalogue")
        self._check_rejects("item")
        self.connection.execute(_REJECT_EVENTS)
        self._check_rejects("event")
        self.connection.execute(_RESOLVE_USERS)
        self._check_rejects("user")
        self.connection.execute(_KEEP_EVENTS)
        (self.searches,) = one_row(self.connection, _COUNT_SEARCHES)
        self.usable_events = self.count("kept")
        if not self.usable_events:
            reasons = self.reject_counts("event")
            why = (
                f"most often: {next(iter(reasons))}" if reasons else "the files hold no event rows"
            )
            raise DataError(f"no event is left to use; {why}")

    def _mend_ids(self, repair: tuple[str, str, str]) -> None:
        table, column, other = repair
        # The end is cheap to look at, and settles it for nearly all.
        is_float = f"suffix({column}, '.0') AND regexp_full_match({column}, '[0-9]+\\.0')"
        where = f"{is_float} AND left({column}, -2) IN (SELECT {column} FROM {other})"
        count, example = one_row(
            self.connection, f"SELECT count(*), any_value({column}) FROM {table} WHERE {where}"
        )
        if count:
            self.connection.execute(
                f"UPDATE {table} SET {column} = left({column}, -2) WHERE {where}"
            )
            self.repairs.note("float-ids", count, example, example[:-2])

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(one_row(self.connection, f"SELECT count(*) FROM {table}")[0])

    def reject_counts(self, kind: str) -> dict[str, int]:
        """Return how many rows were rejected for each reason, most frequent first."""
        return dict(
            self.connection.execute(
                "SELECT reason, count(*) AS n FROM rejects WHERE kind = ? "
                "GROUP BY reason ORDER BY n DESC, reason",
                [kind],
            ).fetchall()
        )

    def _check_rejects(self, kind: str) -> None:
        rejected, rows = sum(self.reject_counts(kind).values()), self.rows_read[kind]
        if rejected <= self.config.max_reject_share * rows:
            return
        reason = next(iter(self.reject_counts(kind)))
        file, line, excerpt = one_row(
            self.connection,
            "SELECT file, line, excerpt FROM rejects WHERE kind = $kind AND reason = $reason "
            "ORDER BY file, line LIMIT 1",
            {"kind": kind, "reason": reason},
        )
        raise DataError(
            f"{rejected:,} of {rows:,} {kind} rows cannot be used, more than max_reject_share "
            f"{self.config.max_reject_share:g} allows; most often: {reason}, first in {file} "
            f"line {line}: {excerpt!r}; mend the rows or raise max_reject_share"
        )
