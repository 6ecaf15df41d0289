"""What makes a training step faster and leaves what it computes as it is."""

from __future__ import annotations

from typing import Any

from genrec.model.lora_layers import without_adapter


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
