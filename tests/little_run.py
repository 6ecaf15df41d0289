"""Runs of a few events, made in this process in a second: the stages with the smallest settings."""

from collections.abc import Sequence
from pathlib import Path

from genrec.config import load_values
from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.interests.summary.codec import fixed_pieces
from genrec.model.base import BaseConfig, make_base
from genrec.semantic_ids.build import IndexConfig, build_index
from genrec.training.config import TrainConfig
from genrec.training.pretrain import pretrain

TINY = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_layers": 1, "num_heads": 2},
    "text_vocab_size": 400,
}


def make_little_base(
    folder: Path, events: Path, items: Path | Sequence[Path] = (), **settings
) -> None:
    """Prepare files and make a base, as ``data``, ``index`` and ``base`` in a folder."""
    prepare(events, items, folder / "data", load_values(PrepareConfig, settings))
    build_index(Dataset.load(folder / "data"), folder / "index", IndexConfig())
    base = load_values(BaseConfig, {"scratch": TINY})
    make_base(folder / "data", folder / "index", folder / "base", base, fixed_pieces())


def train_little_run(folder: Path, **settings) -> None:
    """Train on what ``make_little_base`` left in a folder, into ``run`` there."""
    places = {"data": folder / "data", "base": folder / "base", "out": folder / "run"}
    short = {"epochs": 2, "trackers": [], "sasrec": {"epochs": 2}}
    pretrain(load_values(TrainConfig, {**places, **short, **settings}))
