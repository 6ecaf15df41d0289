"""From the store to training: what came since, as files or joined with prepared data.

Only what is new is read. Equal positions give equal bytes, whenever they are asked for, as long as
nobody is forgotten in between.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Engine

from genrec.artifacts import read_manifest, write_aside, write_manifest
from genrec.data import Dataset
from genrec.data.config import PrepareConfig
from genrec.data.dataset import EVENTS_FILE, ITEMS_FILE
from genrec.data.item_rows import to_row
from genrec.data.join import LeftOut, join
from genrec.data.report import EVENT_SCHEMA, ITEM_SCHEMA, Report
from genrec.errors import DataError
from genrec.preferences import read_preferences
from genrec.schema import SPLIT, TEXT, USER_ID, Item
from genrec.serving.store import (
    POSITION,
    Position,
    StoredItem,
    StoreView,
    hash_user,
    read_store_id,
    reading,
)

KIND = "export"
FORGOTTEN_FILE = "forgotten.json"
LEFT_OUT_FILE = "left_out.json"

_NUMBER, _EVENT_ID, _FOLLOWS = "number", "event_id", "recommendation_id"
_EVENTS = pa.schema(
    [
        (_NUMBER, pa.int64()),
        (_EVENT_ID, pa.string()),
        (_FOLLOWS, pa.string()),
        *EVENT_SCHEMA.remove(EVENT_SCHEMA.get_field_index(SPLIT)),
        (TEXT, pa.string()),
    ]
)
_ITEMS = pa.schema(
    [
        *ITEM_SCHEMA,
        ("retired", pa.bool_()),
        ("available_from", pa.int64()),
        ("available_until", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Exported:
    """What an export holds, and how far it goes."""

    events: int
    items: int
    forgotten: int
    upto: Position


def export(engine: Engine, out: Path, since: Position | None = None) -> Exported:
    """Write what came since as ``events.parquet`` and ``items.parquet``, and what must go.

    Items are those added or changed, with what was said of them in the store; the forgotten are
    all, by the SHA-256 of their IDs (``forgotten.json``): earlier exports must be rid of what they
    hold of them. So they must of the events that their users leave out (``left_out.json``: user,
    item and moment, null for any); these stand in ``events.parquet`` still, and may be taken back.

    Args:
        engine: Of a store that is up to date.
        out: Folder to write; appears when complete.
        since: Where the export before ended; None: the store's start.

    Raises:
        DataError: The position is of another store.
    """
    store_id = read_store_id(engine)
    begin = since or Position(store_id)
    if begin.store_id != store_id:
        raise DataError(
            f"the earlier export is of store {begin.store_id}, and this is store {store_id}; "
            "export this one from its start, without --since"
        )
    with reading(engine, begin) as view, write_aside(Path(out)) as scratch:
        count = 0
        with pq.ParquetWriter(scratch / EVENTS_FILE, _EVENTS, compression="zstd") as writer:
            for rows in view.events():
                writer.write_table(pa.Table.from_pylist(rows, _EVENTS))
                count += len(rows)
        items = view.items()
        table = pa.Table.from_pylist([_item_row(stored) for stored in items], _ITEMS)
        pq.write_table(table, scratch / ITEMS_FILE)
        hashes = sorted(view.forgotten())
        (scratch / FORGOTTEN_FILE).write_text(json.dumps(hashes) + "\n", encoding="utf-8")
        left_out = sorted(_left_out(view), key=lambda one: (one[0], one[1], one[2] or -1))
        (scratch / LEFT_OUT_FILE).write_text(json.dumps(left_out) + "\n", encoding="utf-8")
        settings = {"since": asdict(begin), POSITION: asdict(view.upto)}
        content = [EVENTS_FILE, ITEMS_FILE, FORGOTTEN_FILE, LEFT_OUT_FILE]
        write_manifest(scratch, Path(out), KIND, settings, content)
    return Exported(count, len(items), len(hashes), view.upto)


def prepare_from_store(engine: Engine, base: Dataset, out: Path, config: PrepareConfig) -> Report:
    """Join prepared data with what came to the store since they were made; see ``data.join``.

    Args:
        engine: Of a store that is up to date.
        base: Prepared data; where they were joined with this store before, only what came since
            is read.
        out: Folder to write; may be that of the base.
        config: Settings, as for ``prepare``.

    Raises:
        DataError: The base has no events or no times.
    """
    base.check_events()
    since = Position.of(base.manifest.config, read_store_id(engine))
    with reading(engine, since) as view:
        hashes = view.forgotten()
        gone = _forgotten_users(base, hashes)
        return join(
            base,
            # Who came back after being forgotten has events that the base may have held.
            view.events(again=gone),
            # What has no ID in any table was said of another catalogue's item.
            _said(base, view.items()),
            gone,
            _left_out(view),
            view.descriptions(),
            out,
            config,
            {POSITION: asdict(view.upto)},
        )


def _left_out(view: StoreView) -> set[LeftOut]:
    """Return the events that users say are not theirs."""
    return {
        (user_id, gift.item_id, gift.timestamp)
        for user_id, written in view.preferences().items()
        for gift in read_preferences(written).gifts
    }


def position_of(artifact: Path) -> Position:
    """Return how far in a store an earlier export, or data joined with a store, goes.

    Raises:
        ArtifactError: No artifact is there.
        DataError: It was not made from a store.
    """
    known = read_manifest(artifact).config.get(POSITION)
    if known is None:
        raise DataError(
            f"{artifact} was not made from a store; give an earlier export, or nothing for all"
        )
    return Position(**known)


def settings_of(base: Dataset) -> dict[str, Any]:
    """Return the settings that data were prepared with, all but where from."""
    settings = base.manifest.config
    return {name: settings[name] for name in PrepareConfig.model_fields if name in settings}


def _forgotten_users(base: Dataset, hashes: Collection[str]) -> list[str]:
    """Return the users of prepared data who were forgotten."""
    if not hashes:
        return []
    found = dict.fromkeys(user for user in base.descriptions if hash_user(user) in hashes)
    with pq.ParquetFile(base.path / EVENTS_FILE) as file:
        for batch in file.iter_batches(columns=[USER_ID]):
            users = batch.column(USER_ID).unique().to_pylist()
            found |= dict.fromkeys(user for user in users if hash_user(user) in hashes)
    return list(found)


def _said(base: Dataset, items: list[StoredItem]) -> dict[str, dict[str, Any]]:
    known = base.item_index
    return {
        stored.item_id: dict(stored.words)
        for stored in items
        if stored.codes or stored.item_id in known
    }


def _item_row(stored: StoredItem) -> dict[str, Any]:
    return {
        **to_row(stored.rewrite(Item(stored.item_id))),
        "retired": stored.retired,
        "available_from": stored.available_from,
        "available_until": stored.available_until,
    }
