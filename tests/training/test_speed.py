"""What makes a step faster on a GPU computes the same, as far as a CPU can tell."""

import pytest
import torch

from genrec.training.speed import compile_layers
from tests.model.test_packed_attention import ROW_TOKENS, loss_of, make_batch, model_of, run


def test_compiled_layers_compute_the_same_and_are_compiled_once():
    """By the backend that traces and fuses nothing: a C++ compiler takes a minute."""
    batches = [make_batch(seed) for seed in (0, 1)]
    samples = [int((batch["position_ids"] == 0).sum()) for batch in batches]
    assert len(set(samples)) == 2
    wanted = [run(loss_of(model_of("qwen3"), packed=True), batch) for batch in batches]
    module = loss_of(model_of("qwen3"), packed=True)
    compile_layers(module.model, backend="aot_eager")
    found = [run(module, batches[0])]
    module.zero_grad()
    with torch.compiler.set_stance("fail_on_recompile"):
        found.append(run(module, batches[1]))
        # A search comes with many shapes.
        module.eval()
        for length in (3, 5):
            tokens = torch.ones(1, length, dtype=torch.long)
            module(input_ids=tokens, position_ids=torch.arange(length).unsqueeze(0))
    for (loss, grads), (wanted_loss, wanted_grads) in zip(found, wanted, strict=True):
        assert loss == pytest.approx(wanted_loss, abs=1e-5)
        for name, grad in grads.items():
            torch.testing.assert_close(grad, wanted_grads[name], atol=1e-4, rtol=0)
    assert batches[0]["input_ids"].shape == (4, ROW_TOKENS)
