"""Settings of training: one class for both entry points."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from genrec.model.sasrec_config import SasRecHeadConfig


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mixture(_Settings):
    """How much of each task an epoch holds, as a share of its samples; weights of the losses.

    A share of titles above 1 shows each several times: a small model that is to understand what
    reviews call an item needs that.

    Attributes:
        next_item: Streams: the item of every event.
        titles: ID to title and title to ID.
        texts: An item's ID given its categories, its description, or what users said of it.
        titled: Streams in which titles stand for the IDs of half of the items, as a share of all
            streams.
        pairs: What a SASRec head says comes after an item alone, four of each item, as a share of
            these; the head is trained first.
        interests: Interests in words.
        wishes: Streams in which wishes for the next item are put before half of the events, as a
            share of all streams; at 0, a model reads wishes only if its log holds searches.
        review_weight: Loss weight of ratings and reviews inside streams; an item token weighs 1.
        words_weight: Loss weight of the words behind items' IDs inside streams.
        text_weight: Loss weight of title and interest words.
    """

    next_item: float = Field(1.0, ge=0, le=1)
    titles: float = Field(0.1, ge=0)
    texts: float = Field(0.0, ge=0)
    titled: float = Field(0.0, ge=0)
    pairs: float = Field(0.0, ge=0)
    interests: float = Field(0.0, ge=0, le=1)
    wishes: float = Field(0.0, ge=0, le=1)
    review_weight: float = Field(0.1, ge=0)
    words_weight: float = Field(0.1, ge=0)
    text_weight: float = Field(0.3, ge=0)


class Optimizer(_Settings):
    """AdamW with linear warm-up and cosine decay to zero.

    Attributes:
        learning_rate: Of everything but new rows of a pretrained base.
        rows_learning_rate: Of these; None: the same.
        weight_decay: Of matrices, where all is trained; the rows of a pretrained base have none.
        warmup_share: Of all steps.
        max_grad_norm: Longer gradients are shortened.
    """

    learning_rate: float = Field(2e-3, gt=0)
    rows_learning_rate: float | None = Field(None, gt=0)
    weight_decay: float = Field(0.1, ge=0)
    warmup_share: float = Field(0.05, ge=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)


class Lora(_Settings):
    """The adapter: linear layers only, so that it runs on any engine that holds the base.

    Attributes:
        rank: Of each pair of matrices.
        alpha: Weight of the adapter, times ``rank``.
        dropout: Before the adapter.
        qlora: Whether the base is loaded in 4 bits.
    """

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.05, ge=0, lt=1)
    qlora: bool = False


class Validation(_Settings):
    """Early stopping on NDCG@10 of the validation events.

    Attributes:
        users: Sampled users; 0 turns validation off, and the last weights are kept.
        every_epochs: Epochs between two looks.
        patience: Looks without a new best before training stops; 0 never stops early.
        num_beams: Of the search.
    """

    users: int = Field(1000, ge=0)
    every_epochs: int = Field(2, ge=1)
    patience: int = Field(5, ge=0)
    num_beams: int = Field(20, ge=10)


class TrainConfig(_Settings):
    """One training run.

    Attributes:
        data: Prepared data.
        base: Base to start from (`genrec base`, or a finished pretraining).
        out: Run to write.
        seed: Of shuffles, dropout and sampled tasks.
        epochs: Passes over the training streams.
        row_tokens: Tokens of a packed row; None: the base's context.
        rows_per_step: Rows of one optimizer step over all processes, so that the result does not
            depend on how many there are.
        rows_per_device: Rows of one forward pass; the rest is accumulated.
        embedding_dropout: On the inputs.
        trainable: "all"; "new_rows": only the markers and semantic IDs of a pretrained base;
            "lora_and_rows": these and an adapter, which is merged into the weights in the end.
        gradient_checkpointing: Trade time for memory.
        compile_layers: Compile the decoder layers, which takes a minute or two and is for GPUs.
        checkpoint_steps: Steps between two checkpoints to resume from; 0: every epoch.
        trackers: As Accelerate knows them.
        mixture: See ``Mixture``.
        optimizer: See ``Optimizer``.
        validation: See ``Validation``.
        sasrec: The SASRec head that goes with the base; null leaves it out; only read by pretrain.
        lora: The adapter.
    """

    data: Path
    base: Path
    out: Path
    seed: int = 0
    epochs: int = Field(14, ge=1)
    row_tokens: int | None = None
    rows_per_step: int = Field(16, ge=1)
    rows_per_device: int = Field(16, ge=1)
    embedding_dropout: float = Field(0.2, ge=0, lt=1)
    trainable: Literal["all", "new_rows", "lora_and_rows"] = "all"
    gradient_checkpointing: bool = False
    compile_layers: bool = False
    checkpoint_steps: int = Field(0, ge=0)
    trackers: list[str] = ["tensorboard"]
    mixture: Mixture = Mixture()
    optimizer: Optimizer = Optimizer()
    validation: Validation = Validation()
    sasrec: SasRecHeadConfig | None = SasRecHeadConfig()
    lora: Lora = Lora()
