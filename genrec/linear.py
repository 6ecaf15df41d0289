"""Products of float32 on a CPU, by the faster of the two libraries that torch brings for them.

torch hands them to MKL, which takes two and a half times as long as oneDNN on processors that are
not Intel's, but 1 µs to begin where oneDNN takes 11: below a million products MKL is faster. Both
are exact to the rounding of float32. Which one it is follows from processor and shapes, not from a
measurement: two runs on one machine must not differ in the last bit.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INTEL = "GenuineIntel"
WORTH_ONEDNN = 1_000_000
"""Multiplications from which on oneDNN is faster, measured on AMD EPYC for 96 to 1,536 columns."""
FEW_ROWS = range(2, 8)
"""Of a weight, for which MKL is faster at any size: oneDNN takes as long for two rows as for 16."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply like ``torch.nn.functional.linear``.

    Args:
        x: Shape: (..., K).
        weight: Shape: (N, K).
        bias: Shape: (N,).

    Returns:
        Shape: (..., N).
    """
    if _takes_onednn(x, weight):
        # What torch's compiler calls for the same purpose; it has no gradient.
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return result
    return F.linear(x, weight, bias)


class Linear(nn.Linear):
    """A linear layer that multiplies by ``linear``."""

    def forward(self, input: Tensor) -> Tensor:
        """See ``torch.nn.Linear``."""
        return linear(input, self.weight, self.bias)


def speed_up(model: nn.Module) -> None:
    """Let the linear layers of a model multiply by ``linear``; in place, where that is faster."""
    if not onednn_is_faster():
        return
    for module in model.modules():
        # Subclasses, such as quantized layers, multiply in their own way.
        if type(module) is nn.Linear and module.weight.device.type == "cpu":
            module.__class__ = Linear


@cache
def onednn_is_faster() -> bool:
    """Whether MKL is slow on this processor."""
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):
        return False
    found = Path("/proc/cpuinfo")
    names = found.read_text(encoding="utf-8") if found.exists() else platform.processor()
    return INTEL not in names


def _takes_onednn(x: Tensor, weight: Tensor) -> bool:
    return (
        x.numel() * len(weight) >= WORTH_ONEDNN
        and len(weight) not in FEW_ROWS
        and x.dtype == weight.dtype == torch.float32
        and x.device.type == "cpu"
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and onednn_is_faster()
    )
