"""vLLM's CPU kernels in a batch where some requests have an adapter and some have none."""

import subprocess
import sys

import pytest

BATCH = """
import torch
from genrec.engines.vllm.plugin import prepare
prepare()
from vllm.lora.ops.torch_ops import lora_ops
from vllm.lora.punica_wrapper import punica_cpu
torch.manual_seed(0)
down, up = torch.randn(2, 1, 4, 8), torch.randn(2, 1, 6, 4)
x, adapters = torch.randn(5, 8), torch.tensor([0, -1, 1, -1, 0])
expected = torch.stack([
    torch.zeros(6) if n < 0 else up[n, 0] @ (down[n, 0] @ row)
    for row, n in zip(x, adapters.tolist())
])
for module in (lora_ops, punica_cpu):
    middle, found = torch.zeros(5, 4), torch.zeros(5, 6)
    module.bgmv_shrink(x, down, middle, adapters, 1.0)
    module.bgmv_expand(middle, up, found, adapters, add_inputs=True)
    print(bool(torch.allclose(found, expected, atol=1e-5)))
wide, both = torch.zeros(5, 9), torch.ones(5, 9)
for own in (0, 1):
    known = torch.tensor([own] * 5)
    lora_ops.bgmv_shrink(x, down, middle, known, 2.0)
    lora_ops.bgmv_expand_slice(middle, up, wide, known, 3, 6, add_inputs=False)
    lora_ops.bgmv_expand_slice(middle, up, both, known, 3, 6, add_inputs=True)
    alone = 2 * x @ down[own, 0].T @ up[own, 0].T
    print(bool(torch.allclose(wide[:, 3:], alone, atol=1e-5)), bool((wide[:, :3] == 0).all()))
    print(bool(torch.allclose(both[:, 3:] - 1, alone, atol=1e-5)), bool((both[:, :3] == 1).all()))
    both[:] = 1
middle = torch.zeros(5, 4)
runs, lengths = torch.tensor([0, -1, 1, -1, 0]), torch.ones(5, dtype=torch.long)
lora_ops.sgmv_shrink(x, down, middle, torch.arange(5), lengths, runs, 5, 1, 5, 1.0)
print(bool((middle[[1, 3]] == 0).all()), bool((middle[[0, 2, 4]] != 0).all()))
"""


@pytest.mark.parametrize(
    ("serving", "said"),
    [
        (True, ["True", "True", *["True True"] * 5]),
        (False, ["False", "False", *["True True"] * 4, "False True"]),
    ],
)
def test_tokens_without_an_adapter_get_none(serving, said, base, monkeypatch):
    """Without ours they do get one, so that the day vLLM mends it is noticed here."""
    monkeypatch.delenv("GENREC_BASE", raising=False)
    if serving:
        monkeypatch.setenv("GENREC_BASE", str(base.path))
    done = subprocess.run([sys.executable, "-c", BATCH], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-7:] == said
