"""A small toy world, prepared and indexed once."""

import pytest

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.data.toy import ToyConfig, write_toy
from genrec.semantic_ids.build import IndexConfig, build_index


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory) -> Dataset:
    root = tmp_path_factory.mktemp("toy")
    write_toy(root / "raw", ToyConfig(num_users=120))
    prepare(
        root / "raw" / "events.csv.gz",
        root / "raw" / "items.jsonl.gz",
        root / "data",
        PrepareConfig(),
    )
    return Dataset.load(root / "data")


@pytest.fixture(scope="session")
def toy_index(toy_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("indexed") / "index"
    build_index(toy_data, path, IndexConfig())
    return path
