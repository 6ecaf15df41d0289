"""``Recommender.fit``: from data frames to a recommender, every stage in this process.

Enters: frames of events and items. Leaves: a recommender, and the stages' folders where they were
asked for. The stages are those of the command line, with the same settings.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from genrec.arguments import wrong_type
from genrec.config import load_values
from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import ConfigError
from genrec.frames.read import as_frame, read_histories, read_items
from genrec.interests.summary.codec import fixed_pieces
from genrec.model.base import BaseConfig, make_base
from genrec.recommender import Recommender
from genrec.schema import CATEGORIES, EVENT_COLUMNS, ITEM_COLUMNS, RATING, TEXT, TIMESTAMP
from genrec.semantic_ids.build import IndexConfig, build_index
from genrec.training.config import TrainConfig
from genrec.training.pretrain import pretrain

STAGES = ("prepare", "index", "base", "pretrain")


def fit(
    events: Any,
    items: Any,
    config: Mapping[str, Mapping[str, Any]] | None,
    out: Path | str | None,
    device: str | None,
    num_beams: int,
) -> Recommender:
    """See ``Recommender.fit``."""
    settings = dict(config or {})
    if unknown := set(settings) - set(STAGES):
        raise ConfigError(f"config has no stage {min(unknown)!r}; stages are {', '.join(STAGES)}")
    folder = Path(tempfile.mkdtemp(prefix="genrec-") if out is None else out)
    paths = {stage: folder / stage for stage in ("data", *STAGES[1:])}
    # Settings are read before anything takes long.
    chosen = TrainConfig(data=paths["data"], base=paths["base"], out=paths["pretrain"])
    train = load_values(TrainConfig, {**_places(chosen), **settings.get("pretrain", {})})
    base = load_values(BaseConfig, settings.get("base", {}))
    index = load_values(IndexConfig, settings.get("index", {}))
    preparation = load_values(PrepareConfig, settings.get("prepare", {}))
    try:
        with tempfile.TemporaryDirectory() as scratch:
            log, catalogue = Path(scratch) / "events.parquet", None
            _write_events(events, log)
            if items is not None:
                catalogue = Path(scratch) / "items.parquet"
                _write_items(items, catalogue)
            prepare(log, catalogue, paths["data"], preparation)
        build_index(Dataset.load(paths["data"]), paths["index"], index)
        make_base(paths["data"], paths["index"], paths["base"], base, fixed_pieces())
        pretrain(train)
        recommender = Recommender.from_pretrained(paths["pretrain"], device, num_beams)
    except BaseException:
        if out is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if out is None:
        # The recommender reads users and items from it as long as it lives.
        weakref.finalize(recommender, shutil.rmtree, folder, ignore_errors=True)
    return recommender


def _places(config: TrainConfig) -> dict[str, Any]:
    return {"data": config.data, "base": config.base, "out": config.out, "trackers": []}


def _write_events(frame: Any, path: Path) -> None:
    found = as_frame(frame)
    if found is None:
        raise wrong_type(frame, "events", "a data frame of pandas, Polars or Arrow")
    types = {TIMESTAMP: pa.int64(), RATING: pa.float64()}
    schema = pa.schema({name: types.get(name, pa.string()) for name in EVENT_COLUMNS})
    rows = [
        {name: getattr(event, name) for name in EVENT_COLUMNS}
        for history in read_histories(found, "events")
        for event in history.events
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema), path)


def _write_items(frame: Any, path: Path) -> None:
    found = as_frame(frame)
    if found is None:
        raise wrong_type(frame, "items", "a data frame of pandas, Polars or Arrow")
    names = (*ITEM_COLUMNS, TEXT)
    types = {CATEGORIES: pa.list_(pa.string())}
    schema = pa.schema({name: types.get(name, pa.string()) for name in names})
    rows = [
        {**{name: getattr(item, name) for name in names}, CATEGORIES: list(item.categories)}
        for item in read_items(found, "items")
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
