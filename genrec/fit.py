"""``Recommender.fit``: from data frames to a recommender, every stage in this process.

Enters: frames of events and items. Leaves: a recommender, and the stages' folders where they were
asked for. The stages are those of the command line, with the same settings.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from genrec.arguments import check_count, check_path, wrong_type
from genrec.config import load_values
from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, Report, prepare
from genrec.devices import choose_device
from genrec.errors import ConfigError, DataError
from genrec.frames.read import (
    as_frame,
    check_columns,
    read_descriptions,
    read_items,
    read_rows,
)
from genrec.interests.summary.codec import fixed_pieces
from genrec.model.base import BaseConfig, make_base
from genrec.progress import console
from genrec.recommender import Recommender
from genrec.schema import (
    ABOUT,
    CATEGORIES,
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    RATING,
    TEXT,
    TIMESTAMP,
    USER_ID,
    Item,
)
from genrec.semantic_ids.build import IndexConfig, build_index
from genrec.training.config import TrainConfig
from genrec.training.pretrain import pretrain

Row = TypeVar("Row")

_EVENTS = pa.schema(
    {name: pa.string() for name in EVENT_COLUMNS} | {TIMESTAMP: pa.int64(), RATING: pa.float64()}
)
_ITEMS = pa.schema(
    {name: pa.string() for name in ITEM_COLUMNS} | {CATEGORIES: pa.list_(pa.string())}
)


@dataclass(frozen=True)
class _Stages:
    """Settings of each stage, in the order they run."""

    prepare: PrepareConfig
    index: IndexConfig
    base: BaseConfig
    pretrain: TrainConfig


STAGES = tuple(field.name for field in fields(_Stages))
_PLACES = {name: Path(name) for name in ("data", "base", "out")}
"""Settings of training that are chosen here, so that the stages find each other."""


def fit(
    events: Any,
    items: Any,
    config: Mapping[str, Mapping[str, Any]] | None,
    out: Path | str | None,
    device: str | None,
    num_beams: int,
    users: Any = None,
) -> Recommender:
    """See ``Recommender.fit``."""
    # What can be wrong with the arguments is told before anything is written or takes long.
    stages = _read_config(config)
    device, num_beams = choose_device(device), check_count(num_beams, "num_beams")
    kept = None if out is None else check_path(out, "out")
    tables = {"events": _events_table(_read(events, "events", read_rows))}
    if items is not None:
        tables["items"] = _items_table(_read(items, "items", read_items))
    if users is not None:
        tables["users"] = _users_table(_read(users, "users", _read_users))
    folder = kept or Path(tempfile.mkdtemp(prefix="genrec-"))
    try:
        run = _run_stages(tables, stages, folder)
        recommender = Recommender.from_pretrained(run, device, num_beams)
    except BaseException:
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if kept is None:
        # The recommender reads users and items from it as long as it lives.
        weakref.finalize(recommender, shutil.rmtree, folder, ignore_errors=True)
    return recommender


def _run_stages(tables: Mapping[str, pa.Table], stages: _Stages, folder: Path) -> Path:
    """Run every stage, and return the folder of the trained run."""
    data, index, base, run = (folder / name for name in ("data", "index", "base", "pretrain"))
    _prepare(tables, data, stages.prepare)
    build_index(Dataset.load(data), index, stages.index)
    make_base(data, index, base, stages.base, fixed_pieces())
    pretrain(stages.pretrain.model_copy(update={"data": data, "base": base, "out": run}))
    return run


def _read_config(config: Any) -> _Stages:
    given = _settings({} if config is None else config, "config")
    if unknown := [stage for stage in given if stage not in STAGES]:
        raise ConfigError(f"config has no stage {unknown[0]!r}; stages are {', '.join(STAGES)}")
    values = {stage: _settings(given.get(stage, {}), f"config[{stage!r}]") for stage in STAGES}
    if chosen := [name for name in _PLACES if name in values["pretrain"]]:
        raise ConfigError(
            f"config['pretrain'] sets '{chosen[0]}', which fit does itself; leave it, and give the "
            "folder to write as out"
        )
    return _Stages(
        load_values(PrepareConfig, values["prepare"]),
        load_values(IndexConfig, values["index"]),
        load_values(BaseConfig, values["base"]),
        load_values(TrainConfig, {"trackers": [], **values["pretrain"], **_PLACES}),
    )


def _settings(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise wrong_type(value, name, "a mapping, such as {'pretrain': {'epochs': 5}}")
    return value


def _read(frame: Any, name: str, read: Callable[[Any, str], list[Row]]) -> list[Row]:
    """Return the rows of a user's frame."""
    found = as_frame(frame, name)
    if found is None:
        raise wrong_type(frame, name, "a data frame of pandas, Polars or Arrow")
    rows = read(found, name)
    if not rows:
        raise DataError(f"{name} has no rows; give at least one")
    return rows


def _events_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return events as prepare reads them: a log that holds no search has no texts of them."""
    has_searches = any(row[TEXT] is not None for row in rows)
    schema = _EVENTS.append(pa.field(TEXT, pa.string())) if has_searches else _EVENTS
    return pa.Table.from_pylist(rows, schema)


def _items_table(items: Sequence[Item]) -> pa.Table:
    """Return items as prepare reads them: our columns and types, then the user's own."""
    columns = {column: [getattr(item, column) for item in items] for column in _ITEMS.names}
    table = pa.Table.from_pydict(columns, _ITEMS)
    for column in dict.fromkeys(column for item in items for column in item.attributes):
        table = table.append_column(
            column, _column([item.attributes.get(column) for item in items])
        )
    return table


def _read_users(frame: Any, name: str) -> list[tuple[str, str | None]]:
    check_columns(frame, (USER_ID, ABOUT), (USER_ID, ABOUT), name)
    return list(read_descriptions(frame, name).items())


def _users_table(users: Sequence[tuple[str, str | None]]) -> pa.Table:
    ids, said = zip(*users, strict=True)
    return pa.table({USER_ID: pa.array(ids, pa.string()), ABOUT: pa.array(said, pa.string())})


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Of several types.
        return pa.array([None if value is None else str(value) for value in values])


def _prepare(tables: Mapping[str, pa.Table], out: Path, config: PrepareConfig) -> None:
    """Prepare tables, and tell what of them is left out."""
    with tempfile.TemporaryDirectory() as scratch:
        files = {name: Path(scratch) / f"{name}.parquet" for name in tables}
        for name, table in tables.items():
            pq.write_table(table, files[name])
        try:
            report = prepare(files["events"], files.get("items"), out, config, files.get("users"))
        except DataError as error:
            # Nobody can look into these files; their lines are the frames' rows.
            told = str(error)
            for name, file in files.items():
                told = told.replace(str(file), name)
            raise DataError(told) from None
    for line in _told(report):
        console.print(line, soft_wrap=True)


def _told(report: Report) -> list[str]:
    counts = (
        ("events", report.event_rows, report.event_rejects),
        ("items", report.item_rows, report.item_rejects),
    )
    return report.warnings + [
        f"{name}: {sum(rejects.values()):,} of {rows:,} rows are left out ("
        + ", ".join(f"{reason}: {count:,}" for reason, count in rejects.items())
        + ")"
        for name, rows, rejects in counts
        if rejects
    ]
