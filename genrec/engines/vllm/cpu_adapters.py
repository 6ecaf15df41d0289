"""Products with adapters where vLLM runs on a CPU: of the tokens that ask for one, and no others.

vLLM 0.32 marks the tokens of requests without an adapter with -1. Its CPU kernels index the loaded
adapters with it, so in a batch that also holds requests with an adapter they get the last one; and
what it wrote into the prefix cache stays wrong for later requests. They also copy an adapter's
weights for every token: 20 MB each, of SmolLM2 at rank 16.

vLLM runs this in every process (``plugin``); it does nothing where no base of ours is served.
"""

from __future__ import annotations

import os
from functools import reduce
from operator import add

import torch
from torch import Tensor


def multiply_by_adapter() -> None:
    """Exchange vLLM's products of tokens with the weights of adapters."""
    if "GENREC_BASE" not in os.environ:
        return
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    from vllm.lora.ops.torch_ops import lora_ops
    from vllm.lora.punica_wrapper import punica_cpu

    # Prompts go through the one module's names, single tokens through the other's.
    for module in (lora_ops, punica_cpu):
        module.bgmv_shrink = _shrink
        module.bgmv_expand = _expand
        module.bgmv_expand_slice = _expand_slice


def _shrink(
    inputs: Tensor, weights: Tensor, output: Tensor, adapters: Tensor, scaling: float = 1.0
) -> None:
    """The first half, in vLLM's terms. Shapes: (B, I), (A, 1, O, I), (B, O or more), (B,)."""
    found = _multiply(inputs, weights, adapters, output.dtype)
    output[:, : found.shape[1]] = scaling * found


def _expand(
    inputs: Tensor, weights: Tensor, output: Tensor, adapters: Tensor, add_inputs: bool = True
) -> None:
    """The second half; adapter and model may fill their outputs up to different widths."""
    width = min(weights.shape[-2], output.shape[1])
    _expand_slice(inputs, weights[..., :width, :], output, adapters, 0, width, add_inputs)


def _expand_slice(
    inputs: Tensor,
    weights: Tensor,
    output: Tensor,
    adapters: Tensor,
    start: int,
    size: int,
    add_inputs: bool = True,
) -> None:
    """The second half of one of several products that lie side by side."""
    found = _multiply(inputs, weights, adapters, output.dtype)
    part = output[: len(found), start : start + size]
    part.copy_(part + found if add_inputs else found)


def _multiply(inputs: Tensor, weights: Tensor, adapters: Tensor, dtype: torch.dtype) -> Tensor:
    """Multiply each token by its adapter's weights; 0 where it has none. Shape: (B, O)."""
    rows, asked = inputs.to(dtype), adapters.unsqueeze(1)
    # No question about the numbers in ``adapters``: vLLM compiles this.
    products = (
        torch.where(asked == number, rows, 0) @ one.reshape(-1, one.shape[-1]).to(dtype).T
        for number, one in enumerate(weights)
    )
    total: Tensor = reduce(add, products)
    return total
