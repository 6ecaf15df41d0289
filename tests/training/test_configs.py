"""Every shipped configuration parses, and says in its first lines how to launch it."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file

from genrec.config import dump_yaml, load_config
from genrec.data.toy.world import ToyConfig
from genrec.errors import ConfigError
from genrec.model.base import BaseConfig
from genrec.semantic_ids.build import IndexConfig
from genrec.training.config import TrainConfig

TRAIN = Path(__file__).parents[2] / "train"
BASES = sorted((TRAIN / "configs").glob("*_base.yaml"))
CONFIGS = sorted(set((TRAIN / "configs").glob("*.yaml")) - set(BASES))
LAUNCHERS = sorted((TRAIN / "accelerate").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_training_configs_parse(path):

    assert load_config(TrainConfig, path, ["seed=5"]).seed == 5
    assert path.read_text(encoding="utf-8").startswith("#")


@pytest.mark.parametrize("path", BASES, ids=lambda path: path.name)
def test_base_configs_parse(path):
    load_config(BaseConfig, path)


@pytest.mark.parametrize("target", ["demo", "demo-llm"])
def test_the_recipes_of_the_demos_are_set_validly(target):
    printed = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target], cwd=TRAIN.parent,
        capture_output=True, text=True, check=True
    ).stdout.replace("\\\n", " ")  # fmt: skip
    kinds = {"toy": ToyConfig, "index": IndexConfig, "base": BaseConfig}
    read = 0
    for line in printed.splitlines():
        words = line.split()
        given = {name: words[place + 1] for place, name in enumerate(words) if name == "--config"}
        path = TRAIN.parent / given["--config"] if given else None
        if "accelerate" in words[0]:
            settings = [word for word in words if re.fullmatch(r"[a-z_.]+=\S+", word)]
            load_config(TrainConfig, path, settings)
        elif words[0].endswith("/genrec") and words[1] in kinds:
            settings = [after for word, after in pairwise(words) if word == "--set"]
            load_config(kinds[words[1]], path, settings)
        else:
            continue
        read += 1
    assert read >= 5


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.name)
def test_accelerate_configs_parse(path):
    load_config_from_file(str(path))


def test_overrides_win_and_a_dump_reads_back(tmp_path):
    path = TRAIN / "configs" / "sft.yaml"
    config = load_config(TrainConfig, path, ["optimizer.learning_rate=1e-4", "seed=3"])
    assert config.optimizer.learning_rate == 1e-4
    assert config.seed == 3
    saved = tmp_path / "saved.yaml"
    saved.write_text(dump_yaml(config))
    assert load_config(TrainConfig, saved) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", "epoch"),
        ("epochs=many", "epochs"),
        ("optimizer.learning_rate=-1", "learning_rate"),
        ("epochs", "name=value"),
        ("epochs.deep=1", "epochs"),
        ("seed.deep.er=1", "seed"),
    ],
)
def test_a_wrong_setting_is_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(TrainConfig, TRAIN / "configs" / "sft.yaml", [override])


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere.yaml"):
        load_config(TrainConfig, tmp_path / "nowhere.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1")
    with pytest.raises(ConfigError, match="broken.yaml"):
        load_config(TrainConfig, broken)
    broken.write_text("- 1")
    with pytest.raises(ConfigError, match="name: value"):
        load_config(TrainConfig, broken)


def test_yaml_files_say_what_they_are_for():
    for path in LAUNCHERS:
        assert path.read_text(encoding="utf-8").startswith("#")
        assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)
