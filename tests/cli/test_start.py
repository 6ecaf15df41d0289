"""Commands that start something: train, serve, config, version."""

import importlib.metadata
import re
import subprocess
import sys

import pytest
import typer
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from genrec.cli import app
from genrec.cli.settings import STAGES
from genrec.cli.settings_text import describe, meanings_of, settings_of
from genrec.training.config import TrainConfig
from tests.conftest import ROOT, genrec, succeed


def groups(kind):
    """The class and those of its groups of settings."""
    yield kind
    for field in kind.model_fields.values():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            yield from groups(type(default))


def commands_of(command, path=()):
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from commands_of(below, (*path, name))


@pytest.mark.parametrize("path", [*commands_of(typer.main.get_command(app))], ids=" ".join)
def test_every_command_prints_its_help_with_nothing_swallowed(path):
    answer = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "400"})
    assert answer.exit_code == 0, answer.exception
    command = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    for option in command.params:
        said = (getattr(option, "help", None) or "").replace("\\[", "[")
        assert said.split("\n")[0][:80] in answer.output


@pytest.mark.parametrize("stage", STAGES)
def test_every_setting_has_a_meaning_and_its_default(stage):
    kind = settings_of(STAGES[stage])
    for group in groups(kind):
        meanings = meanings_of(group)
        assert [name for name in group.model_fields if not meanings.get(name)] == [], group
    values = yaml.safe_load("\n".join(describe(kind)))
    assert list(values) == list(kind.model_fields)


def test_what_config_prints_is_what_config_takes():
    values = yaml.safe_load(succeed(genrec("config", "pretrain")).stdout)
    required = {"data": "d", "base": "b", "out": "o"}
    assert {name for name, value in values.items() if value == "REQUIRED"} == set(required)
    assert TrainConfig(**{**values, **required}) == TrainConfig(**required)
    done = genrec("config", "sftt")
    assert done.returncode == 2 and "no stage 'sftt'; stages are toy" in done.stderr


def test_the_version():
    done = succeed(genrec("--version"))
    assert done.stdout.strip() == f"genrec {importlib.metadata.version('genrec')}"


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "genrec.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_train_is_accelerate_launch_with_our_settings():
    done = run("train", "sft", "--accelerate", "cpu", "--config", "demo_sft", "--num_processes=1",
               "--dry-run", "epochs=3", "base=runs/x")  # fmt: skip
    assert done.returncode == 0, done.stderr
    values = yaml.safe_load(done.stdout)
    assert values["epochs"] == 3 and values["base"] == "runs/x"
    done = run("train", "sft", "--dry-run", "epochz=3", "data=a", "base=b", "out=c")
    assert done.returncode != 0 and "epochz" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sft", "epochs"], "'epochs' is no setting"),
        (["sft", "--config", "nowhere"], "'nowhere' is no file and none of ours; ours are demo"),
        (["sft", "--accelerate", "tpu"], "ours are cpu"),
    ],
)
def test_what_train_cannot_use_is_one_clear_line(arguments, message):
    done = genrec("train", *arguments)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_importing_genrec_is_quick_and_light():
    code = (
        "import sys, genrec; print(*sorted({'torch', 'transformers', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True
    )
    assert done.stdout.strip() == ""
    (own,) = re.findall(r"\| +(\d+) \| genrec$", done.stderr, re.MULTILINE)
    assert int(own) < 500_000  # microseconds
