import sys
from pathlib import Path

import pytest

from genrec.cli import main
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
def toy_data(toy, tmp_path_factory) -> Dataset:
    out = tmp_path_factory.mktemp("toy") / "data"
    prepare(toy / "events.csv.gz", toy / "items.jsonl.gz", out)
    return Dataset.load(out)


@pytest.fixture(scope="session")
def later_data(toy, tmp_path_factory) -> Dataset:
    """The same world split by time, so that users have several targets."""
    out = tmp_path_factory.mktemp("toy") / "later"
    config = PrepareConfig(split="global-time")
    prepare(toy / "events.csv.gz", toy / "items.jsonl.gz", out, config)
    return Dataset.load(out)


@pytest.fixture
def type_in(monkeypatch, capsys):
    """Run the command line; return its exit code and what it printed."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["genrec", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def toy_index(toy_data, tmp_path_factory) -> Path:
    """An ID table of the toy data."""
    out = tmp_path_factory.mktemp("toy") / "index"
    build_index(toy_data, out, IndexConfig.model_validate({"behaviour": {"dims": 16}}))
    return out
