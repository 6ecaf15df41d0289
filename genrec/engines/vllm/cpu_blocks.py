"""Lets vLLM's CPU attention take cache blocks of 16 tokens, which its kernels have but it hides.

vLLM 0.32 asks for multiples of 32 on CPUs since its main kernel loads keys 32 at a time. It ships
another one of 16 and chooses it by block size. Half the block is half of what every beam computes
anew of its prompt, which is most of a search's work.

vLLM runs this in every process (``plugin``); it does nothing unless our server asked.
"""

from __future__ import annotations

import os

BLOCKS_VARIABLE = "GENREC_CPU_BLOCK"
BLOCK = 16


def allow_small_blocks() -> None:
    """Say of the CPU backend that it takes what its kernels take."""
    if os.environ.get(BLOCKS_VARIABLE) != str(BLOCK):
        return
    from vllm.v1.attention.backend import MultipleOf
    from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend

    CPUAttentionBackend.get_supported_kernel_block_sizes = staticmethod(
        lambda kv_cache_spec=None: [MultipleOf(BLOCK)]
    )
