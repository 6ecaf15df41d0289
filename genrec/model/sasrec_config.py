"""Settings of the SASRec head."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SasRecHeadConfig(BaseModel):
    """Size and training of the SASRec head.

    Attributes:
        hidden_size: Width of all vectors.
        num_blocks: Transformer blocks.
        num_heads: Attention heads; they divide ``hidden_size``.
        dropout: Everywhere in the blocks and on their input.
        max_events: Newest events that are read; longer histories are cut for training.
        epochs: Most passes over the histories.
        batch_size: Histories of a step.
        new_item_boost: Nats that an item which training never met, or a few times of late, gets on
            top of its fused score; None: learned by leaving items out of training.
        id_dropout: Share of an item's looks in training without its own vector, where it has text.
        num_negatives: Items drawn for a step, uniformly; its targets are told from them.
        learning_rate: Of AdamW, with warm-up and cosine decay to zero.
        weight_decay: Of matrices.
        patience: Looks at validation without a new best before training stops.
        every_epochs: Epochs between two looks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_size: int = Field(64, ge=1)
    num_blocks: int = Field(1, ge=1)
    num_heads: int = Field(1, ge=1)
    dropout: float = Field(0.4, ge=0, lt=1)
    max_events: int = Field(50, ge=2)
    new_item_boost: float | None = None
    id_dropout: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(128, ge=1)
    num_negatives: int = Field(256, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    patience: int = Field(4, ge=1)
    every_epochs: int = Field(5, ge=1)
