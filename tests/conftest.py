"""Shared inputs: the real data where it lies, and one small trained toy run."""

import contextlib
import gc
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from genrec.cli import main

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("GENREC_DATA", ROOT.parent / "shared" / "data"))

FIXTURES = ("chat_model", "little_shop", "moved", "toy_data", "vllm_server")
"""Modules with fixtures for all."""


# Tests that use one of these, directly or through another fixture, are of the tier ``services``.
SERVICES = {
    *(
        "chain",
        "chat_model",
        "vllm",
        "postgres",
        "browser",
        "shared_data",
        "demo",
    ),
}
# Files whose tests take longer than the fast tier can afford.
SLOW_FILES = {
    *("decode/test_search.py", "baselines/test_tiger.py", "baselines/test_trained_baselines.py"),
    *("benchmarks/test_gpu_check.py", "training/test_fsdp2.py", "chat/test_small_model.py"),
    *("zero_shot/test_small_model.py", "interests/test_trend.py", "graph/test_graph_command.py"),
    *("data/test_prepare_oracle.py", "test_injection.py", "test_examination.py"),
    *("data/test_any_log.py", "data/test_shared_cases.py", "data/test_toy.py"),
    *("benchmarks/test_results_page.py", "benchmarks/test_peers.py", "test_simulation.py"),
    *("updates/test_update.py", "model/test_precision.py", "training/test_little_data.py"),
    *("agents/test_mcp.py", "serving/test_arms.py", "serving/test_promotions.py"),
    *("graph/test_graph_paths.py", "decode/test_roomy_cache.py", "test_plotting.py"),
    *("evaluate/test_checks.py", "chat/test_talking.py", "serving/test_experiments.py"),
}
# What only one worker may use: all tests that ask for it form one unit of work.
EXCLUSIVE = "vllm"
# Units of work that take longest start first, so that no worker idles at the end. The second one
# does without the chain, so that a second worker has work while the first one makes it.
LONGEST_FIRST = (
    "vllm",
    "pipeline/test_examples.py",
    "training/test_training.py",
    "serving/test_process.py",
    "serving/test_bad_input.py",
    "serving/page/test_page_looks.py",
    "model/test_pretrained.py",
    "test_notebooks.py",
    "serving/test_workers.py",
    "serving/page/test_page_operator.py",
    "pretrained/test_hub.py",
    "cli/test_wheel.py",
    "batch/test_on_ray.py",
    "serving/page/test_page_use.py",
    "serving/page/test_page_trouble.py",
    "batch/test_job.py",
    "chat/test_small_model.py",
    "zero_shot/test_small_model.py",
    "pipeline/test_commands.py",
    "cli/test_start.py",
)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tier and the unit of work of every test, and put the longest units first."""
    ranks = {unit: rank for rank, unit in enumerate(LONGEST_FIRST)}

    def rank_of(item: pytest.Item) -> int:
        return ranks.get(unit_of(item), len(ranks))

    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        if fixtures & SERVICES or "postgres" in [
            value for value in values if isinstance(value, str)
        ]:
            item.add_marker("services")
        if unit_of(item) in SLOW_FILES:
            item.add_marker("slow")
        if EXCLUSIVE in fixtures:
            item.add_marker(pytest.mark.xdist_group(EXCLUSIVE))
    if items and hasattr(items[0].config, "workerinput"):
        items.sort(key=rank_of)


def unit_of(item: pytest.Item) -> str:
    """Return the service that a test has to itself, or its file below ``tests``."""
    group = item.get_closest_marker("xdist_group")
    return group.args[0] if group else item.nodeid.split("::")[0].removeprefix("tests/")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a worker a whole file at a time, or all tests that share an exclusive service."""
    from xdist.scheduler import LoadGroupScheduling

    class FileOrGroup(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return super()._split_scope(nodeid).split("::")[0]

    return FileOrGroup(config, log) if config.getvalue("dist") == "loadgroup" else None


class TierGuard:
    """Fails a test that asks for a service at run time without being of its tier."""

    def pytest_fixture_setup(self, fixturedef, request) -> None:
        """See pytest."""
        if fixturedef.argname in SERVICES and "not services" in request.config.option.markexpr:
            pytest.fail(f"{request.node.nodeid} uses {fixturedef.argname}: mark it `services`")


def pytest_configure(config: pytest.Config) -> None:
    """Register fixtures and their guard, and import without garbage collections."""
    # Hooks of this file are not called for fixtures of the whole session.
    config.pluginmanager.register(TierGuard())
    gc.disable()
    # Who only hands tests out to workers runs none of them, and need not import torch.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        for name in FIXTURES:
            config.pluginmanager.register(importlib.import_module(f"tests.{name}"))


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over all that was imported: it would never be garbage."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    """Free it in the end, or DuckDB complains."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets; skips where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set GENREC_DATA")
    return DATA


@dataclass(frozen=True)
class Chain:
    """Paths of every stage of a small toy run, made in this process by what a user runs."""

    root: Path

    def __getattr__(self, stage: str) -> Path:
        return self.root / stage


def run_here(command: list[str], main: Callable[[], None]) -> subprocess.CompletedProcess:
    """Run an entry point in this process: importing torch takes longer than most answers."""
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


def genrec(*arguments: object) -> subprocess.CompletedProcess:
    """Run the command line in this process."""
    return run_here(["genrec", *map(str, arguments)], main)


def train(script: str, *arguments: object, precision: str = "no") -> subprocess.CompletedProcess:
    """Run a training entry point in this process, as ``accelerate launch`` would in one."""
    from accelerate.state import AcceleratorState

    entry_point = importlib.import_module(f"train.{script}").main
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_MIXED_PRECISION", precision)
        patch.setenv("ACCELERATE_USE_CPU", "true")
        AcceleratorState._reset_state(reset_partial_state=True)
        try:
            return run_here([f"train/{script}.py", *map(str, arguments)], entry_point)
        finally:
            AcceleratorState._reset_state(reset_partial_state=True)


def launch(script: str, *arguments: object, config: str = "cpu") -> subprocess.CompletedProcess:
    """Run a training entry point under ``accelerate launch``."""
    command = [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", f"train/accelerate/{config}.yaml", f"train/{script}.py"),
        *map(str, arguments),
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def succeed(done: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
    """Fail with the command's own words if it failed."""
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="session")
def make_once(tmp_path_factory, worker_id) -> Callable[[str, Callable[[Path], None]], Path]:
    """Return a function that makes a folder once for the whole run, whatever worker asks first."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent

    def make(name: str, build: Callable[[Path], None]) -> Path:
        folder, ready = shared / name, shared / f"{name}.ready"
        with FileLock(shared / f"{name}.lock"):
            if not ready.exists():
                build(folder)
                ready.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def chain(make_once) -> Chain:
    """A toy world through every stage, small enough for tests."""
    return Chain(make_once("chain", lambda folder: _make_chain(Chain(folder))))


def _make_chain(paths: Chain) -> None:
    # Without searches: most tests ask with the events of a history alone.
    shape = ("--set", "num_users=150", "--set", "search_share=0")
    succeed(genrec("toy", "--out", paths.raw, *shape))
    events, items = paths.raw / "events.csv.gz", paths.raw / "items.jsonl.gz"
    succeed(genrec("prepare", "--events", events, "--items", items, "--out", paths.data))
    succeed(genrec("index", "--data", paths.data, "--out", paths.index))
    succeed(
        genrec(
            *("base", "--data", paths.data, "--index", paths.index, "--out", paths.base),
            *("--set", "scratch.hidden_size=64", "--set", "scratch.intermediate_size=128"),
            *("--set", "scratch.num_layers=2", "--set", "scratch.num_heads=2"),
            *("--set", "scratch.text_vocab_size=800", "--set", "item_words.show=title"),
        )
    )
    common = [f"data={paths.data}", "validation.users=50", "rows_per_step=4"]
    succeed(
        train(
            *("pretrain", f"base={paths.base}", f"out={paths.pretrain}", "epochs=6"),
            *("optimizer.learning_rate=0.004", "validation.every_epochs=3"),
            *("mixture.interests=0.5", *common),
        )
    )
    succeed(
        train(
            *("sft", f"base={paths.pretrain}", f"out={paths.sft}", "epochs=1"),
            *("mixture.interests=1.0", *common),
        )
    )
