"""Attention over packed rows, without a mask: samples lie one after another, their borders known.

A mask of T x T for each row makes every kernel look at all pairs of tokens, most of which are of
different samples. Here all rows of a batch are one long row, and each sample attends to itself: on
a CUDA device in half precision by torch's variable-length kernel, elsewhere sample by sample.

Registered with transformers as the attention implementation "packed", for training only: the tree
of a search needs a mask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.varlen import varlen_attn
from transformers import AttentionInterface

from genrec.model.precision import HALF

PACKED = "packed"
WIDE = 512
"""Hidden size from which on a CPU's kernel for half precision loses more by looking at all samples
of a row than by being called for one after another."""


def can_pack(model: Any) -> bool:
    """Whether every layer of a causal LM attends to all that came before, without dropout."""
    config = model.config.get_text_config()
    if getattr(config, "attention_dropout", 0.0):
        return False
    kinds = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    return kinds == {"full_attention"} or (not kinds and window is None)


def packing_pays(model: Any, device: str, half: bool) -> bool:
    """Whether a training step is faster so than with a mask (measured: docs/lab-notes.md).

    Args:
        model: A causal LM.
        device: Type of the device it is trained on.
        half: Whether it is trained in half precision.
    """
    if device == "cuda":
        return half
    return not half or model.config.get_text_config().hidden_size >= WIDE


def is_packed(model: Any) -> bool:
    """Whether a model's attention is that of this module."""
    return bool(model.config._attn_implementation == PACKED)


def read_packed(decoder: nn.Module, embeddings: Tensor, position_ids: Tensor) -> Tensor:
    """Run packed rows through a decoder whose attention is "packed".

    Args:
        decoder: What of a causal LM lies below its head.
        embeddings: Shape: (B, T, H).
        position_ids: Positions, restarting at 0 with each sample. Shape: (B, T).

    Returns:
        Last hidden states. Shape: (B, T, H).
    """
    borders = _borders(position_ids)
    # An upper bound of a sample's length serves as well as the length, and waits for no device.
    longest = position_ids.shape[1]
    hidden: Tensor = decoder(
        inputs_embeds=embeddings.flatten(0, 1).unsqueeze(0),
        position_ids=position_ids.flatten().unsqueeze(0),
        use_cache=False,
        cu_seq_lens_q=borders,
        cu_seq_lens_k=borders,
        max_length_q=longest,
        max_length_k=longest,
    ).last_hidden_state
    return hidden.view_as(embeddings)


def _borders(position_ids: Tensor) -> Tensor:
    """Return where samples begin, and the end, over and over.

    Empty samples fill the tensor up to a power of two: a compiled layer is compiled anew for every
    shape it meets, and batches differ in how many samples they hold.
    """
    starts = (position_ids.flatten() == 0).nonzero()[:, 0]
    size = 1 << len(starts).bit_length()
    return F.pad(starts, (0, size - len(starts)), value=position_ids.numel()).to(torch.int32)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: Tensor | None = None,
    max_length_q: int = 0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within samples; an attention function as transformers calls it.

    Args:
        module: The layer; not looked at.
        query: All samples, one after another. Shape: (1, heads, T, D).
        key: Shape: (1, heads of keys, T, D).
        value: Shape: that of ``key``.
        attention_mask: None; borders stand for it.
        scaling: Of the scores; None: one over the root of D.
        dropout: 0; the kernels have none.
        cu_seq_lens_q: Where samples begin and, last, the end. Shape: (samples + 1,), int32.
        max_length_q: At least the length of the longest sample.

    Returns:
        Shape: (1, T, heads, D). No weights.

    Raises:
        ValueError: Borders are missing, or there is a mask or dropout.
    """
    if cu_seq_lens_q is None or attention_mask is not None or dropout:
        raise ValueError("packed attention takes borders of samples, no mask and no dropout")
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    # Autocast does not know the kernel, and norms leave queries and keys in float32.
    device = query.device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else query.dtype
    q, k, v = (part[0].transpose(0, 1).to(dtype) for part in (query, key, value))
    if q.is_cuda and dtype in HALF:
        attended: Any = varlen_attn(
            q,
            k,
            v,
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=(-1, 0),
        )
    else:
        attended = _attend_one_by_one(q, k, v, cu_seq_lens_q, scaling)
    return attended.unsqueeze(0), None


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _attend_one_by_one(
    query: Tensor, key: Tensor, value: Tensor, borders: Tensor, scaling: float | None
) -> Tensor:
    """Attend within each sample in turn. Shape of each, and of what is returned: (T, heads, D)."""
    lengths = borders.diff().tolist()
    samples = zip(*(part.split(lengths) for part in (query, key, value)), strict=True)
    attended = []
    for sample in samples:
        q, k, v = (part.transpose(0, 1) for part in sample)
        if not q.shape[1]:
            continue
        # A CPU's fused kernel takes batches, here of one. Its gradient in half precision is slower
        # than that of the other kernel (docs/lab-notes.md).
        if q.dtype not in HALF:
            q, k, v = (part.unsqueeze(0) for part in (q, k, v))
        found = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling)
        attended.append(found.view(-1, *found.shape[-2:]).transpose(0, 1))
    return torch.cat(attended)


AttentionInterface.register(PACKED, packed_attention)
