"""Settings of the TIGER baseline, and those of its published recipe."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class TigerConfig(BaseModel):
    """Size and training of TIGER; the defaults are meant for one CPU core.

    The recipe is the published one (dropout, weight decay, cosine schedule, no user token, best on
    validation); only the size and the number of steps are cut down. ``PUBLISHED`` undoes that.

    Attributes:
        num_layers: Of the encoder, and of the decoder.
        width: Of the hidden states (T5's ``d_model``).
        num_heads: Attention heads.
        head_width: Of each head (``d_kv``).
        inner_width: Of the feed-forward layers (``d_ff``).
        dropout: Everywhere in T5.
        max_items: Newest items of a history that are read.
        learning_rate: At its peak; falls to 0 as a cosine.
        warmup_steps: Steps to the peak, a tenth of all steps at most.
        weight_decay: AdamW's, on matrices.
        batch_size: Samples of a step; a sample is one prefix of a history with the next item.
        epochs: Times every sample is seen, unless validation ends it.
        patience: Looks at validation without a better one before training ends.
        every_epochs: Epochs between looks.
        validation_users: Users of the valid split that a look asks; 0 keeps the last weights.
        validation_beams: Width of the search in a look.
        num_beams: Width of the search when recommending.
        bf16: Multiply in bfloat16 where training; None: where the device has arithmetic for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_layers: int = Field(2, ge=1)
    width: int = Field(128, ge=2)
    num_heads: int = Field(4, ge=1)
    head_width: int = Field(32, ge=1)
    inner_width: int = Field(512, ge=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    max_items: int = Field(20, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(1000, ge=0)
    weight_decay: float = Field(0.035, ge=0)
    batch_size: int = Field(256, ge=1)
    epochs: int = Field(15, ge=0)
    patience: int = Field(4, ge=1)
    every_epochs: int = Field(1, ge=1)
    validation_users: int = Field(2000, ge=0)
    validation_beams: int = Field(20, ge=1)
    num_beams: int = Field(50, ge=1)
    bf16: bool | None = None


PUBLISHED: MappingProxyType[str, Any] = MappingProxyType(
    {
        "num_layers": 6,
        "num_heads": 6,
        "head_width": 64,
        "inner_width": 1024,
        "learning_rate": 3e-4,
        "warmup_steps": 10_000,
        "batch_size": 64,
        "epochs": 100,
        "every_epochs": 5,
        "patience": 20,
    }
)
"""What differs in the best documented recipe, for a GPU.

Source: arXiv 2305.05065 (widths), arXiv 2412.08604 (layers and training), as ``PAISCHER_CONFIG`` in
PreferredAI/cornac has it.
"""
