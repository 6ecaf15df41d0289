"""What our vLLM server makes of --dtype and GENREC_ARITHMETIC."""

import json
import os

import pytest

from genrec.engines.vllm.__main__ import value_of, with_arithmetic
from genrec.errors import ConfigError


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("GENREC_WEIGHTS", "GENREC_ARITHMETIC"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def base(tmp_path):
    def make(**config):
        (tmp_path / "config.json").write_text(json.dumps(config))
        return ["--model", str(tmp_path)]

    return make


@pytest.mark.parametrize(
    ("config", "typed", "weights"),
    [
        ({"dtype": "bfloat16"}, [], "bfloat16"),
        ({"torch_dtype": "float16"}, ["--dtype", "auto"], "float16"),
        ({"dtype": "float32"}, [], "float32"),
        ({}, [], "float32"),
        ({"dtype": "float32"}, ["--dtype", "half"], "float16"),
        ({"dtype": "bfloat16"}, ["--dtype=float"], "float32"),
        ({"dtype": "float32"}, ["--dtype", "float32", "--dtype=bfloat16"], "bfloat16"),
    ],
)
def test_weights_as_asked_or_saved_arithmetic_with_arithmetic(base, config, typed, weights):
    arguments = with_arithmetic([*base(**config), *typed], cpu=True)
    assert value_of("--dtype", arguments) == "float32"
    assert os.environ["GENREC_WEIGHTS"] == weights
    assert value_of("--lora-dtype", arguments) is None


@pytest.mark.parametrize(
    ("saved", "typed", "adapters"),
    [
        ("float32", [], "bfloat16"),
        ("float16", [], "float16"),
        ("bfloat16", ["--lora_dtype", "float16"], "float16"),
    ],
)
def test_in_float32_on_gpus_adapters_are_what_their_kernels_take(
    base, saved, typed, adapters, monkeypatch
):
    monkeypatch.setenv("GENREC_ARITHMETIC", "float32")
    arguments = with_arithmetic([*base(dtype=saved), *typed], cpu=False)
    assert value_of("--lora-dtype", arguments) == adapters


def test_a_gpu_computes_in_what_weights_are_held_in(base):
    half = base(dtype="bfloat16")
    assert with_arithmetic(half, cpu=False) == half
    assert "GENREC_WEIGHTS" not in os.environ
    # vLLM alone would narrow these.
    assert value_of("--dtype", with_arithmetic(base(dtype="float32"), cpu=False)) == "float32"


@pytest.mark.parametrize("typed", [["--quantization", "fp8"], ["-q=fp8"], []])
def test_a_model_may_be_left_to_compute_as_vllm_does(base, typed, monkeypatch):
    if not typed:
        monkeypatch.setenv("GENREC_ARITHMETIC", "model")
    arguments = [*base(dtype="bfloat16"), *typed]
    assert with_arithmetic(arguments, cpu=True) == arguments
    assert "GENREC_WEIGHTS" not in os.environ


@pytest.mark.parametrize("cpu", [True, False])
def test_bfloat16_whatever_was_saved_or_typed(base, cpu, monkeypatch):
    monkeypatch.setenv("GENREC_ARITHMETIC", "bfloat16")
    arguments = with_arithmetic([*base(dtype="float32"), "--dtype", "half"], cpu)
    assert value_of("--dtype", arguments) == "bfloat16"
    assert "GENREC_WEIGHTS" not in os.environ


def test_what_there_is_not_is_refused(base, monkeypatch):
    with pytest.raises(ConfigError, match="--dtype is one of"):
        with_arithmetic([*base(dtype="float32"), "--dtype", "int8"], cpu=True)
    monkeypatch.setenv("GENREC_ARITHMETIC", "fast")
    with pytest.raises(ConfigError, match="one of auto, float32, model, bfloat16 here"):
        with_arithmetic(base(dtype="float32"), cpu=True)
