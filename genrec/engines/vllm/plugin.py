"""What vLLM runs in every process before it loads a model; each part asks whether it is wanted."""

from __future__ import annotations

from genrec.engines.vllm.cpu_adapters import multiply_by_adapter
from genrec.engines.vllm.cpu_blocks import allow_small_blocks
from genrec.engines.vllm.half_weights import hold_weights


def prepare() -> None:
    """Change of vLLM what our server asks for, and nothing under other servers."""
    allow_small_blocks()
    hold_weights()
    multiply_by_adapter()
