"""A toy world, prepared and indexed once for all tests that need no trained model."""

from pathlib import Path

import pytest

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.data.toy import ToyConfig, write_toy
from genrec.semantic_ids.build import IndexConfig, build_index


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("toy") / "raw"
    write_toy(out, ToyConfig(num_users=150))
    return out


@pytest.fixture(scope="session")
def toy_data(toy) -> Dataset:
    out = toy.parent / "data"
    prepare(toy / "events.csv.gz", toy / "items.jsonl.gz", out)
    return Dataset.load(out)


@pytest.fixture(scope="session")
def later_data(toy) -> Dataset:
    """The same world split by time, so that users have several targets."""
    out = toy.parent / "later"
    config = PrepareConfig(split="global-time")
    prepare(toy / "events.csv.gz", toy / "items.jsonl.gz", out, config)
    return Dataset.load(out)


@pytest.fixture(scope="session")
def toy_index(toy_data) -> Path:
    """An ID table of the toy data."""
    out = toy_data.path.parent / "index"
    build_index(toy_data, out, IndexConfig())
    return out
