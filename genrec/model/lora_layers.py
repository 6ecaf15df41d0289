"""LoRA adapters in a model: put one on, tell whether there is one, look below it.

Adapters hold the linear layers of the decoder blocks and nothing else: no embedding rows, since
vLLM's LoRA carries none.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from peft import PeftModel


def add_adapter(model: Any, rank: int, alpha: int, dropout: float) -> PeftModel:
    """Freeze a model and put a fresh LoRA adapter on every linear layer of its blocks."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def has_adapter(model: Any) -> bool:
    """Whether PEFT wraps a model; PEFT, which is slow to import, is not imported to tell."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(model, peft.PeftModel)


def without_adapter(model: Any) -> Any:
    """Return the causal LM itself; its linear layers still hold an adapter, where there is one."""
    return model.get_base_model() if has_adapter(model) else model


def merge_adapter(model: Any) -> bool:
    """Add the one adapter of a model to its weights, which spares a layer two of its products.

    Returns:
        Whether that was done: only in float32, since half precision would round most of the adapter
        away, and an adapter is taken out again by subtraction.
    """
    if not has_adapter(model) or len(model.peft_config) != 1:
        return False
    if any(each.dtype != torch.float32 for each in model.parameters()):
        return False
    model.merge_adapter()
    return True
