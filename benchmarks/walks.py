"""How far one request and one training sample travel through our code.

    python benchmarks/walks.py --run runs/demo/sft

After a warm-up it counts, in every thread, the files and functions of ``genrec`` that three walks
touch, and lists them in the order of first touch: ``POST /v1/recommend``, ``POST /v1/events`` and
the samples of one training batch, up to their loss. Comprehensions and lambdas count as parts of
the function that holds them. Ends with exit code 1 where one has grown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.data import Dataset
from genrec.model.item_loss import ItemLoss
from genrec.model.load import describe_run, load_run
from genrec.model.loss import StreamLoss
from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings
from genrec.training.config import Mixture
from genrec.training.corpus import Corpus, write_corpus
from genrec.training.loop import loss_weights

PACKAGE = Path(__file__).resolve().parents[1] / "genrec"
WARM_UP = 2
MAX_FILES = {"recommend": 51, "sample": 32}
MAX_FUNCTIONS = {"recommend": 191}
"""As far as they went when last counted, and little more: so that a walk does not grow unseen."""


@dataclass
class Walk:
    """What a walk touched: files, and in each its functions, in the order of first touch."""

    files: dict[str, list[str]] = field(default_factory=dict)

    @property
    def num_functions(self) -> int:
        """How many functions there are in all files."""
        return sum(map(len, self.files.values()))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="an sft run, such as the demo's")
    parser.add_argument("--brief", action="store_true", help="count only; list nothing")
    arguments = parser.parse_args()
    walks = {**walk_requests(arguments.run), "sample": walk_sample(arguments.run)}
    for name, walk in walks.items():
        print(f"{name}: {len(walk.files)} files, {walk.num_functions} functions")
        if not arguments.brief:
            for file, functions in walk.files.items():
                print(f"  {file} ({len(functions)}): {', '.join(functions)}")
    grown = [
        name
        for name, walk in walks.items()
        if len(walk.files) > MAX_FILES.get(name, sys.maxsize)
        or walk.num_functions > MAX_FUNCTIONS.get(name, sys.maxsize)
    ]
    if grown:
        print(f"longer than before: {', '.join(grown)}")
        sys.exit(1)


def walk_requests(run: Path) -> dict[str, Walk]:
    """Trace one recommendation and one event on a gateway in this process."""
    user_id = next(Dataset.load(describe_run(run).data).histories("test")).user_id
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            run=run, device="cpu", threads=1, store=SecretStr(f"sqlite:///{folder}/store.db")
        )
        with tracing() as tracer, TestClient(create_app(settings)) as client:

            def post(path: str, **body: Any) -> dict[str, Any]:
                answer = client.post(path, json=body)
                answer.raise_for_status()
                return answer.json()

            found = post("/v1/recommend", user_id=user_id)
            event = {"user_id": user_id, "item_id": found["items"][0]["item_id"]}
            return {
                "recommend": tracer.walk(lambda: post("/v1/recommend", user_id=user_id)),
                "events": tracer.walk(lambda: post("/v1/events", events=[event])),
            }


def walk_sample(run: Path) -> Walk:
    """Trace the first batch of a training: run and data from disk, samples, packed rows, loss."""
    mixture = Mixture(interests=1.0)

    def step() -> None:
        loaded = load_run(run, "cpu")
        corpus_path = Path(folder) / "corpus.arrow"
        write_corpus(corpus_path, Dataset.load(loaded.data), loaded.encoder, mixture, seed=0)
        row_tokens = loaded.base_config.context_tokens
        corpus = Corpus(corpus_path, mixture, row_tokens, rows_per_step=4, pad_id=0, seed=0)
        items = ItemLoss(loaded.vocabulary, loaded.table.codes, loaded.encoder.opening)
        loss = StreamLoss(loaded.model, items, loss_weights(mixture))
        loss(**corpus.batch(corpus.steps(0)[0]))

    with tempfile.TemporaryDirectory() as folder, tracing() as tracer:
        return tracer.walk(step)


class Tracer:
    """Collects the code objects of ours that are called while it listens."""

    def __init__(self) -> None:
        self._codes: dict[CodeType, None] | None = None

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """See ``sys.setprofile``."""
        if event == "call" and self._codes is not None:
            self._codes.setdefault(frame.f_code)

    def walk(self, step: Callable[[], Any]) -> Walk:
        """Take a step a few times, then once more while listening."""
        for _ in range(WARM_UP):
            step()
        self._codes = {}
        step()
        codes, self._codes = self._codes, None
        walk = Walk()
        for code in codes:
            path, name = Path(code.co_filename), code.co_qualname.rpartition("<locals>.")[2]
            if path.is_relative_to(PACKAGE) and not name.startswith("<"):
                walk.files.setdefault(str(path.relative_to(PACKAGE)), []).append(name)
        return walk


@contextmanager
def tracing() -> Iterator[Tracer]:
    """Install a tracer in this thread and in all that start from now on."""
    tracer = Tracer()
    sys.setprofile(tracer)
    threading.setprofile(tracer)
    try:
        yield tracer
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


if __name__ == "__main__":
    main()
