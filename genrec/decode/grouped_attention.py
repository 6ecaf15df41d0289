"""Attention of models in which several heads of queries share one head of keys, without copies.

transformers repeats keys and values for every head where there is a mask, as a search's has: that
is right for CUDA, whose quick kernels take no groups then. torch's kernel for CPUs takes them as
they are. Registered with transformers as the attention implementation "grouped".
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask

SDPA, GROUPED = "sdpa", "grouped"


def attend_in_groups(model: Any) -> None:
    """Let a causal LM attend without copies; in place, on a CPU and where it has groups.

    What wraps one, as the loss does in training, chooses its attention itself and is left alone.
    """
    if not isinstance(model, PreTrainedModel):
        return
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    shares = heads != (getattr(config, "num_key_value_heads", None) or heads)
    if shares and model.device.type == "cpu" and model.config._attn_implementation == SDPA:
        model.set_attn_implementation(GROUPED)


def grouped_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend; an attention function as transformers calls it.

    Args:
        module: The layer; not looked at.
        query: Shape: (B, heads, Q, D).
        key: Shape: (B, heads of keys, T, D).
        value: Shape: that of ``key``.
        attention_mask: True where a query sees a key; None: all that came before, where there are
            several queries. Shape: (B or 1, 1, Q, T).
        dropout: Of the weights.
        scaling: Of the scores; None: one over the root of D.

    Returns:
        Shape: (B, Q, heads, D). No weights.
    """
    attended = F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=attention_mask,
        dropout_p=dropout,
        is_causal=attention_mask is None and query.shape[2] > 1,
        scale=scaling,
        enable_gqa=True,
    )
    return attended.transpose(1, 2).contiguous(), None


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, sdpa_mask)
