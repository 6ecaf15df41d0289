"""Prepared data joined with what happened since: new events, new and changed items, the forgotten.

Enters: prepared data, and Arrow tables in its columns. Leaves: prepared data as ``prepare`` would
have made them of all of it: events told twice are one, k-core and splits are made anew. What an
earlier preparation left out does not come back: with a k-core, keep the files and prepare them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genrec.artifacts import write_aside, write_manifest
from genrec.data.clean import tidy
from genrec.data.config import PrepareConfig
from genrec.data.dataset import (
    EVENTS_FILE,
    ITEMS_FILE,
    KIND,
    SEARCHES_FILE,
    USERS_FILE,
    Dataset,
)
from genrec.data.item_rows import to_row, write_attributes
from genrec.data.prepare import content_files, finish, staging_in
from genrec.data.report import EVENT_SCHEMA, ITEM_SCHEMA, USER_SCHEMA, Report
from genrec.errors import DataError
from genrec.schema import (
    ABOUT,
    ATTRIBUTES,
    EVENT_COLUMNS,
    EVENT_TYPE,
    ITEM_ID,
    REVIEW,
    SEARCH,
    SPLIT,
    TEXT,
    TIMESTAMP,
    TITLE,
    USER_ID,
    Item,
)

BATCH_ROWS = 1 << 16
LeftOut = tuple[str, str, int | None]
"""User, item and moment (seconds) of an event; None: at any moment."""
NEW = Path("new")
"""What rejects of the new rows call their file."""

_EVENTS = EVENT_SCHEMA.remove(EVENT_SCHEMA.get_field_index(SPLIT)).append(
    pa.field(TEXT, pa.string())
)
_TEXTS = (EVENT_TYPE, TITLE, REVIEW, TEXT)


def join(
    base: Dataset,
    events: Iterable[list[dict[str, Any]]],
    items: Mapping[str, Mapping[str, Any]],
    forgotten: Collection[str],
    left_out: Collection[LeftOut],
    descriptions: Mapping[str, str],
    out: Path,
    config: PrepareConfig,
    settings: Mapping[str, Any],
) -> Report:
    """Write prepared data that hold what a base holds and what is new.

    Args:
        base: Prepared data; it may lie at ``out`` and is replaced then, on success only.
        events: Batches of rows by column names, in order of arrival; other names are passed over.
        items: By ID the fields of ``Item`` that are said of it; those of a known item replace its
            own, and new items come after all others.
        forgotten: Users of the base whose events are left out.
        left_out: Events to leave out, of the base and of the new ones.
        descriptions: What users say of themselves, in place of what the base holds; empty: no more.
        out: Directory to write.
        config: Settings, as for ``prepare``.
        settings: Further settings for the manifest.

    Raises:
        DataError: The base holds no events or no times, or too many new events cannot be used.
    """
    base.check_events()
    if config.order == "file":
        raise DataError(
            f"{base.path} was prepared with order=file: its times are counters, which nothing "
            "that happens now comes after; prepare files that hold times"
        )
    with write_aside(Path(out)) as scratch:
        with staging_in(scratch, config) as staging:
            staging.add_clean(_item_table(base, items), base.path / ITEMS_FILE, "item")
            gone = pa.array(forgotten, pa.string())
            with pq.ParquetFile(base.path / EVENTS_FILE) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=list(EVENT_COLUMNS)):
                    table = _of_others(pa.table(batch), gone)
                    table = table.append_column(TEXT, pa.nulls(len(table), pa.string()))
                    table = _without(table.cast(_EVENTS), left_out)
                    staging.add_clean(table, base.path / EVENTS_FILE, "event")
            if base.has_searches:
                table = _of_others(pq.read_table(base.path / SEARCHES_FILE), gone)
                rows = [{EVENT_TYPE: SEARCH, **row} for row in table.to_pylist()]
                searches = pa.Table.from_pylist(rows, _EVENTS)
                staging.add_clean(searches, base.path / SEARCHES_FILE, "event")
            users = _descriptions(base, descriptions, forgotten)
            if users:
                table = pa.Table.from_pylist(users, USER_SCHEMA)
                staging.add_clean(table, base.path / USERS_FILE, "user")
            for rows in events:
                staging.add_clean(_without(_event_table(rows), left_out), NEW, "event")
            report = finish(staging, scratch, has_items=True)
        made = {**config.model_dump(mode="json"), "files": base.manifest.config.get("files", {})}
        write_manifest(scratch, Path(out), KIND, {**made, **settings}, content_files(scratch))
    return report


def _descriptions(
    base: Dataset, said: Mapping[str, str], forgotten: Collection[str]
) -> list[dict[str, str]]:
    gone = set(forgotten)
    known = {user: about for user, about in base.descriptions.items() if user not in gone}
    return [{USER_ID: user, ABOUT: about} for user, about in (known | dict(said)).items() if about]


def _of_others(rows: pa.Table, users: pa.Array) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows[USER_ID], users)))


def _without(events: pa.Table, left_out: Collection[LeftOut]) -> pa.Table:
    if not left_out:
        return events
    concerned = pc.is_in(events.column(USER_ID), pa.array({one[0] for one in left_out}))
    names = (USER_ID, ITEM_ID, TIMESTAMP)
    mask = concerned.to_numpy(zero_copy_only=False)
    rows = zip(*(events.filter(mask).column(name).to_pylist() for name in names), strict=True)
    mask[mask] = [
        (user_id, item_id, time) in left_out or (user_id, item_id, None) in left_out
        for user_id, item_id, time in rows
    ]
    return events.filter(pa.array(~mask))


def _event_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return new events, with the texts as ``prepare`` cleans them."""
    clean = (
        {
            name: tidy(row[name]) or None if name in _TEXTS and row[name] else row[name]
            for name in (*EVENT_COLUMNS, TEXT)
        }
        for row in rows
    )
    return pa.Table.from_pylist(list(clean), _EVENTS)


def _item_table(base: Dataset, items: Mapping[str, Mapping[str, Any]]) -> pa.Table:
    rows = pq.read_table(base.path / ITEMS_FILE).to_pylist()
    known = {row[ITEM_ID] for row in rows}
    rows += [to_row(Item(item_id)) for item_id in items if item_id not in known]
    for row in rows:
        row |= {name: _clean(name, value) for name, value in items.get(row[ITEM_ID], {}).items()}
    return pa.Table.from_pylist(rows, ITEM_SCHEMA)


def _clean(name: str, value: Any) -> str | list[str] | None:
    if value is None:
        return None
    if name == ATTRIBUTES:
        return write_attributes(value)
    if not isinstance(value, str):
        return [part for part in map(tidy, value) if part]
    # The lines of an item's text stand for columns that are not ours.
    lines = value.splitlines() if name == TEXT else [value]
    return "\n".join(filter(None, map(tidy, lines))) or None
