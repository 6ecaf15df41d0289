"""Trainings: killed and resumed, accumulated, shared out among processes, quantized."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from genrec.artifacts import read_manifest
from genrec.model.load import load_run
from genrec.model.vocabulary import new_rows
from tests.conftest import ROOT, genrec, launch, succeed, train


@pytest.fixture(scope="module")
def few_users(chain, tmp_path_factory):
    """The chain's base and run, with data of forty users: more of them would show no more."""
    folder = tmp_path_factory.mktemp("few_users")
    events = pd.read_csv(chain.raw / "events.csv.gz")
    some = events[events["user_id"].isin(events["user_id"].unique()[:40])]
    some.to_csv(folder / "events.csv", index=False)
    files = ("--events", folder / "events.csv", "--items", chain.raw / "items.jsonl.gz")
    succeed(genrec("prepare", *files, "--out", folder / "data"))
    return SimpleNamespace(data=folder / "data", base=chain.base, pretrain=chain.pretrain)


def settings(paths, out, *more):
    return [
        *(f"data={paths.data}", f"base={paths.base}", f"out={out}", "epochs=2"),
        *("rows_per_step=4", "validation.users=20", "validation.every_epochs=1"),
        *("trackers=[]", *more),
    ]


def weights(path):
    return load_file(path / "model.safetensors")


def assert_same(one, two, **tolerance):
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], **tolerance)


@pytest.fixture(scope="module")
def whole(few_users, tmp_path_factory):
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    succeed(train("pretrain", *settings(few_users, out)))
    return out


@pytest.fixture(scope="module")
def undropped(few_users, tmp_path_factory):
    """The same without dropout, so that nothing depends on how rows are split."""
    out = tmp_path_factory.mktemp("undropped") / "run"
    succeed(train("pretrain", *settings(few_users, out, "embedding_dropout=0")))
    return out


def test_a_killed_run_goes_on_to_the_same_result(few_users, whole, tmp_path):
    out = tmp_path / "run"
    arguments = settings(few_users, out, "checkpoint_steps=3")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", "--config_file"),
            *("train/accelerate/cpu.yaml", "train/pretrain.py", *arguments),
        ],
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    workspace = tmp_path / ".run.training"
    deadline = time.monotonic() + 120
    while not list(workspace.glob("checkpoint-[0-9]*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists(), "the run must be cut off in the middle for this test to say anything"
    assert list(workspace.glob("checkpoint-[0-9]*"))
    done = succeed(train("pretrain", *arguments))
    assert "resuming" in done.stderr
    assert_same(weights(whole), weights(out), rtol=0, atol=0)
    assert not workspace.exists()
    (resumed,) = read_manifest(out).resumed
    assert resumed["step"] % 3 == 0
    assert datetime.fromisoformat(resumed["at"]) <= datetime.now(UTC)
    assert read_manifest(whole).resumed is None


def test_other_settings_do_not_go_on_where_a_run_was_cut_off(few_users, tmp_path):
    workspace = tmp_path / ".run.training"
    workspace.mkdir()
    (workspace / "config.yaml").write_text("epochs: 99\n")
    done = train("pretrain", *settings(few_users, tmp_path / "run"))
    assert done.returncode != 0
    assert "unfinished run with other settings" in done.stderr


def test_accumulating_passes_changes_nothing(few_users, undropped, tmp_path):
    out = tmp_path / "run"
    succeed(
        train("pretrain", *settings(few_users, out, "rows_per_device=1", "embedding_dropout=0"))
    )
    # Sums are rounded in another order, which Adam magnifies; a lost pass differs by a tenth.
    one, two = weights(undropped), weights(out)
    apart = sum(float((one[name] - two[name]).square().sum()) for name in one)
    assert apart < 0.05**2 * sum(float(one[name].square().sum()) for name in one)


def test_two_processes_reach_what_one_reaches(few_users, undropped, tmp_path):
    out = tmp_path / "run"
    succeed(launch("pretrain", *settings(few_users, out, "embedding_dropout=0"), config="cpu_2"))
    assert_same(weights(undropped), weights(out), rtol=1e-3, atol=1e-4)


def test_a_run_has_one_file_of_weights_in_its_folder(chain):
    """vLLM would take any other beside it for a part of the model."""
    for run in (chain.base, chain.pretrain):
        files = [
            path.name for path in run.iterdir() if path.suffix in {".safetensors", ".bin", ".pt"}
        ]
        assert files == ["model.safetensors"]


def test_the_best_epoch_is_kept_and_the_curve_written(whole):
    training = json.loads((whole / "training.json").read_text())
    assert training["best_ndcg@10"] == max(entry["ndcg@10"] for entry in training["curve"])
    assert [entry["epoch"] for entry in training["curve"]] == [1, 2]


def test_only_new_rows_train_when_asked(few_users, tmp_path):
    out = tmp_path / "rows"
    succeed(train("pretrain", *settings(few_users, out, "trainable=new_rows")))
    before, after = load_file(few_users.base / "model.safetensors"), weights(out)
    name = "model.embed_tokens.weight"
    run = load_run(few_users.base)
    # The markers are new to a pretrained base as well; see ``tests/training/test_parameters.py``.
    new = torch.as_tensor(new_rows(run.encoder.tokenizer, run.table))
    old = torch.ones(len(before[name]), dtype=torch.bool)
    old[new] = False
    assert torch.equal(before[name][old], after[name][old])
    assert (before[name][new] - after[name][new]).abs().max() > 1e-3
    semantic_ids = torch.as_tensor(run.vocabulary.token_ids.ravel())
    assert (before[name][semantic_ids] - after[name][semantic_ids]).abs().max() > 1e-3
    for other in before.keys() - {name}:
        assert torch.equal(before[other], after[other])


def test_training_in_bfloat16_ends_with_all_parts_of_a_run(few_users, undropped, tmp_path):
    """What is chosen and fitted after training takes numbers of any kind from the model."""
    out = tmp_path / "run"
    arguments = settings(few_users, out, "embedding_dropout=0")
    succeed(train("pretrain", *arguments, precision="bf16"))
    assert {path.name for path in out.iterdir()} == {path.name for path in undropped.iterdir()}
    for name, tensor in weights(out).items():
        assert tensor.dtype == torch.float32, name
    # Rounding moves weights, but to the same place.
    losses = [
        json.loads((run / "training.json").read_text())["curve"][-1]["loss"]
        for run in (undropped, out)
    ]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_qlora_trains_on_a_four_bit_base(few_users, tmp_path):
    out = tmp_path / "qlora"
    arguments = [
        *(f"data={few_users.data}", f"base={few_users.pretrain}", f"out={out}", "epochs=1"),
        *("rows_per_step=4", "validation.users=20", "trackers=[]", "gradient_checkpointing=true"),
    ]
    succeed(train("sft", "--qlora", *arguments))
    adapter = load_file(out / "adapter_model.safetensors")
    moved = [name for name, tensor in adapter.items() if "lora_B" in name and tensor.any()]
    assert moved
    load_run(out)


def test_dry_run_prints_the_settings_and_trains_nothing(few_users, tmp_path):
    done = succeed(train("pretrain", "--dry-run", *settings(few_users, tmp_path / "run")))
    assert "learning_rate" in done.stdout
    assert not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_is_named(few_users, tmp_path):
    out = tmp_path / "run"
    arguments = settings(few_users, out)
    succeed(train("pretrain", "--dry-run", *arguments))
    workspace = tmp_path / ".run.training"
    (workspace / "checkpoint-3").mkdir(parents=True)
    (workspace / "checkpoint-3" / "model.safetensors").write_bytes(b"cut")
    done = train("pretrain", *arguments)
    assert done.returncode != 0
    assert "checkpoint-3" in done.stderr
    assert "damaged" in done.stderr
