"""Shared inputs: the real data where it lies, and one small trained toy run."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from genrec.cli import main
from tests.chat_model import chat_model  # noqa: F401  (a fixture)
from tests.vllm_server import vllm_server  # noqa: F401  (a fixture)

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("GENREC_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; skips where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set GENREC_DATA")
    return DATA


@dataclass(frozen=True)
class Chain:
    """Paths of every stage of a small toy run, made by the very commands a user types."""

    root: Path

    def __getattr__(self, stage: str) -> Path:
        return self.root / stage


def genrec(*arguments: object) -> subprocess.CompletedProcess:
    """Run the command line, in this process: importing torch takes longer than most answers."""
    command = ["genrec", *map(str, arguments)]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", command)
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def type_in(*arguments: object) -> tuple[int, str, str]:
    """Run the command line; return its exit code and what it printed."""
    done = genrec(*arguments)
    return done.returncode, done.stdout, done.stderr


def launch(script: str, *arguments: object, config: str = "cpu", **options):
    """Run a training entry point under accelerate."""
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", f"train/accelerate/{config}.yaml", f"train/{script}.py"),
        *map(str, arguments),
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)


def succeed(done: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
    """Fail with the command's own words if it failed."""
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="session")
def chain(tmp_path_factory, worker_id) -> Chain:
    """A toy world through every stage, small enough for tests; made once for all workers."""
    temporary = tmp_path_factory.getbasetemp()
    temporary = temporary if worker_id == "master" else temporary.parent
    paths = Chain(temporary / "chain")
    with FileLock(temporary / "chain.lock"):
        if not (paths.sft / "manifest.json").exists():
            _make_chain(paths)
    return paths


def _make_chain(paths: Chain) -> None:
    succeed(genrec("toy", "--out", paths.raw, "--set", "num_users=150"))
    events, items = paths.raw / "events.csv.gz", paths.raw / "items.jsonl.gz"
    succeed(genrec("prepare", "--events", events, "--items", items, "--out", paths.data))
    succeed(genrec("index", "--data", paths.data, "--out", paths.index))
    succeed(
        genrec(
            *("base", "--data", paths.data, "--index", paths.index, "--out", paths.base),
            *("--set", "scratch.hidden_size=64", "--set", "scratch.intermediate_size=128"),
            *("--set", "scratch.num_layers=2", "--set", "scratch.num_heads=2"),
            *("--set", "scratch.text_vocab_size=800"),
        )
    )
    common = [f"data={paths.data}", "validation.users=50", "rows_per_step=4"]
    succeed(
        launch(
            *("pretrain", f"base={paths.base}", f"out={paths.pretrain}", "epochs=6"),
            *("optimizer.learning_rate=0.004", "validation.every_epochs=3"),
            *("mixture.interests=0.5", *common),
        )
    )
    succeed(
        launch(
            *("sft", f"base={paths.pretrain}", f"out={paths.sft}", "epochs=1"),
            *("mixture.interests=1.0", *common),
        )
    )
