"""How fast is training? Tokens a second, share of the device's arithmetic, peak of memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen3Config

from benchmarks.gpu_check.machine import (
    free_memory,
    is_installed,
    peak_flops,
    peak_gib,
    times_of,
)
from benchmarks.gpu_check.world import PAD, Size, World, build_model
from genrec.model.lora_layers import add_adapter
from genrec.model.loss import Target
from genrec.training.speed import compile_layers

RANK, ALPHA, DROPOUT = 32, 64, 0.05


@dataclass(frozen=True)
class Way:
    """A way to take a training step, in bfloat16 autocast over float32 weights."""

    name: str
    lora: bool = False
    packed: bool = True
    checkpointing: bool = False
    compiled: bool = False


WAYS = (
    Way("full"),
    Way("full, layers compiled", compiled=True),
    Way("LoRA", lora=True),
    Way("LoRA, layers compiled", lora=True, compiled=True),
    Way("full, checkpointing", checkpointing=True),
    Way("full, mask instead of packed attention, checkpointing", packed=False, checkpointing=True),
)


def left_out(way: Way, device: str) -> str | None:
    """Return why a way cannot be tried here; None where it can."""
    if way.lora and not is_installed("peft"):
        return "left out: peft is not installed"
    if way.compiled and device == "cpu":
        return "left out: compiled for a GPU only"
    return None


def measure(
    way: Way, size: Size, rows: int, row_tokens: int, device: str, most_s: float
) -> dict[str, Any]:
    """Take some steps on one batch."""
    world = World(size.vocab_size, 2_000)
    batch = {name: part.to(device) for name, part in world.batch(rows, row_tokens).items()}
    model: Any = build_model(size, device)
    config = model.config
    if way.lora:
        model = add_adapter(model, RANK, ALPHA, DROPOUT)
    if way.checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    module = world.loss(model, way.packed).to(device)
    if way.compiled:
        compile_layers(model)
    trained = [each for each in module.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(trained, 1e-5, fused=True)
    free_memory(device)

    def step() -> None:
        with torch.autocast(device, torch.bfloat16):
            loss, weight = module(**batch)
        (loss / weight).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    times = times_of(step, device, most_s, 20)
    took = sum(times) / len(times)
    rate = count_flops(config, batch, way.lora) / took
    peak = peak_flops(device)
    return {
        "tokens_per_s": round(int((batch["input_ids"] != PAD).sum()) / took),
        "step_ms": round(1e3 * took, 1),
        "tflops": round(rate / 1e12, 2),
        "mfu": round(rate / peak, 4) if peak else None,
        "peak_gib": peak_gib(device),
    }


def count_flops(config: Qwen3Config, batch: dict[str, Tensor], is_frozen: bool) -> float:
    """Return the operations of a step that are of use: nothing twice, no token before its time.

    Args:
        config: Of the model.
        batch: Its padding is of no use.
        is_frozen: Whether the gradients of most weights are not wanted.
    """
    queries = config.num_attention_heads * config.head_dim
    keys = config.num_key_value_heads * config.head_dim
    layer = config.hidden_size * (2 * queries + 2 * keys + 3 * config.intermediate_size)
    tokens = int((batch["input_ids"] != PAD).sum())
    positions = batch["position_ids"].flatten()
    # A token attends to itself and all before it.
    seen = int((positions + 1)[batch["input_ids"].flatten() != PAD].sum())
    items = int((batch["targets"] == Target.ITEM).sum())
    words = int((batch["targets"] > Target.ITEM).sum())
    head = config.hidden_size * (words * config.vocab_size + items * 256)
    weights = config.num_hidden_layers * layer * tokens + head
    attention = 2 * queries * config.num_hidden_layers * seen
    # Forward, and backward for what goes in; for weights that are trained, once more.
    return 2 * ((2 if is_frozen else 3) * weights + 3 * attention)
