"""What makes a training step faster and leaves what it computes as it is."""

from __future__ import annotations

from typing import Any

import torch

from genrec.model.lora_layers import without_adapter

BETAS = (0.9, 0.98)


def make_adamw(
    groups: list[dict[str, Any]], learning_rate: float, device: torch.device
) -> torch.optim.AdamW:
    """Return AdamW: on a CUDA device in one kernel for all parameters of a group.

    Args:
        groups: Of parameters, with what differs from group to group.
        learning_rate: Of groups without one of their own.
        device: Where the parameters will lie.
    """
    fused = device.type == "cuda"
    return torch.optim.AdamW(groups, learning_rate, BETAS, fused=fused, foreach=not fused)


def compile_layers(model: Any, backend: str = "inductor") -> None:
    """Let ``torch.compile`` fuse what each decoder layer of a causal LM does; in place.

    Layers are alike and are compiled once for each shape they are given: give them few shapes.
    Under ``torch.compiler.set_stance("force_eager")`` they run as they were.

    Args:
        model: Causal LM, PEFT-wrapped or not.
        backend: Of ``torch.compile``.
    """
    for layer in without_adapter(model).model.layers:
        layer.compile(dynamic=False, backend=backend)
