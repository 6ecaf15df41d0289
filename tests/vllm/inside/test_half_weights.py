"""Under vLLM's own layers: weights in half precision, arithmetic in float32, or nothing at all."""

import os
import subprocess
import sys

import pytest

LAYER = """
import sys, torch
from genrec.engines.vllm.plugin import prepare
prepare()
from vllm.config import VllmConfig, set_current_vllm_config
from vllm.model_executor.layers.linear import ReplicatedLinear
from vllm.distributed import init_distributed_environment, initialize_model_parallel
config = VllmConfig()
with set_current_vllm_config(config):
    init_distributed_environment(1, 0, "file://" + sys.argv[1], 0, backend="gloo")
    initialize_model_parallel()
    layer = ReplicatedLinear(64, 32, bias=False, params_dtype=torch.float32, disable_tp=True)
torch.manual_seed(0)
saved, x = torch.randn(32, 64), torch.randn(5, 64)
layer.weight.weight_loader(layer.weight, saved)
kept = layer.weight.detach().clone()
layer.quant_method.process_weights_after_loading(layer)
found, _ = layer(x)
exact = x.double() @ kept.double().T
print(kept.dtype, found.dtype, bool((found - exact).abs().max() < 1e-4))
print(torch.equal(kept.float(), saved), config.additional_config)
"""


@pytest.mark.parametrize(
    ("asked", "kept"),
    [(None, "float32"), ("float32", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")],
)
def test_linear_layers_are_held_as_asked_and_computed_in_float32(asked, kept, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "GENREC_WEIGHTS"}
    if asked is not None:
        environment["GENREC_WEIGHTS"] = asked
    done = subprocess.run(
        [sys.executable, "-c", LAYER, str(tmp_path / "group")],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = done.stdout.splitlines()[-2:]
    assert first == f"torch.{kept} torch.float32 True"
    half = kept != "float32"
    named = {"GENREC_WEIGHTS": f"torch.{kept}"} if half else {}
    assert second == f"{not half} {named}"


def test_vllm_runs_our_preparation():
    from importlib.metadata import entry_points

    names = [entry.value for entry in entry_points(group="vllm.general_plugins")]
    assert "genrec.engines.vllm.plugin:prepare" in names
