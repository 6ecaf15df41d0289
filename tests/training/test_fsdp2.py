"""FSDP2 trains what one whole model trains, keeps the best of it and writes it whole."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedType

from genrec.errors import ConfigError
from genrec.training.config import Lora, TrainConfig
from genrec.training.loop import check_launch
from tests.training.little_training import FIRST_NEW, VOCAB

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(data="data", base="base", out="out")


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """Both ways in a process of their own: a process group stays for good."""
    out = tmp_path_factory.mktemp("fsdp2") / "trainings.pt"
    command = [sys.executable, "-m", "tests.training.little_training", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(out)


@pytest.mark.parametrize("trainable", ["all", "lora_and_rows"])
def test_a_model_that_is_cut_learns_what_a_whole_one_learns(trainings, trainable):
    whole, cut = trainings["whole", trainable], trainings["cut", trainable]
    assert cut["is_cut"] and not whole["is_cut"]
    assert cut["curve"] == [pytest.approx(point, rel=1e-4) for point in whole["curve"]]
    assert cut["after"].keys() == whole["after"].keys()
    for name, weight in cut["after"].items():
        torch.testing.assert_close(weight, whole["after"][name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("how", ["whole", "cut"])
def test_words_stay_and_new_rows_move(trainings, how):
    training = trainings[how, "lora_and_rows"]
    rows = [
        next(weight for name, weight in weights.items() if "embed_tokens" in name)
        for weights in (training["before"], training["after"])
    ]
    moved = (rows[0] != rows[1]).any(dim=1)
    assert not moved[:FIRST_NEW].any()
    assert moved[FIRST_NEW : FIRST_NEW + len(VOCAB)].sum() > 20


@pytest.mark.parametrize(
    ("kind", "is_fsdp2", "config", "message"),
    [
        (DistributedType.DEEPSPEED, False, CONFIG, "multi_gpu.yaml .* fsdp2.yaml"),
        (DistributedType.FSDP, False, CONFIG, "fsdp_version to 2"),
        (
            DistributedType.FSDP,
            True,
            CONFIG.model_copy(update={"lora": Lora(qlora=True)}),
            "4-bit weights",
        ),
    ],
)
def test_launches_that_would_train_something_else_are_refused(kind, is_fsdp2, config, message):
    accelerator = SimpleNamespace(distributed_type=kind, is_fsdp2=is_fsdp2)
    with pytest.raises(ConfigError, match=message):
        check_launch(accelerator, config)
