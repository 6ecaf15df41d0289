"""A desk to prepare small files on: write them, prepare them, look at what comes out."""

import gzip
import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, Report, prepare


@dataclass
class Desk:
    root: Path

    def write(self, name: str, content: str | bytes | list[dict]) -> Path:
        """Write text, bytes or JSON lines; names that end in .gz are compressed."""
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        if isinstance(content, str):
            content = content.encode()
        if name.endswith(".gz"):
            content = gzip.compress(content)
        path = self.root / name
        path.write_bytes(content)
        return path

    def prepare(self, events, items=None, **config) -> tuple[Dataset, Report]:
        """Prepare with all rejects allowed, unless told otherwise."""
        config = PrepareConfig(**{"max_reject_share": 1.0, **config})
        report = prepare(events, items, self.out, config)
        return Dataset.load(self.out), report

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def rejects(self) -> list[tuple[str, int, str]]:
        """File name, line and reason of every reject."""
        with gzip.open(self.out / "rejects.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        return [(Path(row["file"]).name, row["line"], row["reason"]) for row in rows]

    @property
    def leftovers(self) -> set[str]:
        """What lies on the desk beside the inputs."""
        return {path.name for path in self.root.iterdir() if path.name.startswith((".", "out"))}


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def new_desk(tmp_path_factory):
    """A maker of desks, for hypothesis, which runs one test many times."""
    numbers = itertools.count()
    return lambda: Desk(tmp_path_factory.mktemp(f"desk{next(numbers)}"))


def all_events(data):
    return [event for history in data.histories("test") for event in history.events]
