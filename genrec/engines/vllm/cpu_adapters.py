"""Keeps requests without an adapter free of other requests' adapters, where vLLM runs on a CPU.

vLLM 0.32 marks the tokens of such requests with adapter -1. Its CPU kernels index the loaded
adapters with it, so in a batch that also holds requests with an adapter they get the last one; and
what it wrote into the prefix cache stays wrong for later requests.

vLLM runs this in every process (``plugin``); it does nothing where no base of ours is served.
"""

from __future__ import annotations

import os

from torch import Tensor

NO_ADAPTER = -1


def spare_other_requests() -> None:
    """Let the first half of a LoRA product be zero for tokens without an adapter."""
    if "GENREC_BASE" not in os.environ:
        return
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    from vllm.lora.ops.torch_ops import lora_ops
    from vllm.lora.punica_wrapper import punica_cpu

    shrink = lora_ops.bgmv_shrink

    def shrink_and_spare(
        inputs: Tensor, weights: Tensor, output: Tensor, adapters: Tensor, scaling: float = 1.0
    ) -> None:
        shrink(inputs, weights, output, adapters, scaling)
        output.masked_fill_((adapters == NO_ADAPTER).unsqueeze(1), 0)

    # Prompts go through the one name, single tokens through the other.
    lora_ops.bgmv_shrink = shrink_and_spare
    punica_cpu.bgmv_shrink = shrink_and_spare
