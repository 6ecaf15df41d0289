"""What of a model is trained, and how fast: all of it, its new rows, or an adapter with them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from genrec.errors import ConfigError
from genrec.model.base import SCRATCH
from genrec.model.fit import BETAS
from genrec.model.load import LoadedRun
from genrec.model.lora_layers import add_adapter
from genrec.model.rows import embeddings
from genrec.model.sharding import align_rows
from genrec.model.vocabulary import new_rows
from genrec.training.config import TrainConfig


def choose_parameters(run: LoadedRun, config: TrainConfig) -> nn.Module:
    """Return a run's model with gradients where ``config.trainable`` wants them.

    Of embeddings, all rows have gradients; ``StreamLoss.drop_gradients`` drops those of words.
    Weights in bfloat16 become float32: an update is smaller than what bfloat16 can add to them.
    """
    model: Any = run.model.float()
    if config.trainable == "all":
        return model  # type: ignore[no-any-return]
    if config.trainable == "lora_and_rows":
        lora = config.lora
        model = add_adapter(model, lora.rank, lora.alpha, lora.dropout)
    else:
        model.requires_grad_(False)
    for weight in embeddings(model):
        weight.requires_grad_(True)
    trained: nn.Module = model
    return trained


def make_optimizer(model: Any, run: LoadedRun, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over the parameters that require gradients.

    Decay shrinks matrices; gains and the rows of a pretrained base stay as they are. New rows start
    from little and may learn faster than what is pretrained (``Optimizer.rows_learning_rate``).

    Args:
        model: What is trained.
        run: Knows which rows are new.
        config: Settings.

    Raises:
        ConfigError: Nothing requires a gradient.
    """
    settings = config.optimizer
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ConfigError("nothing to train: no parameter requires a gradient")
    rows = {id(weight) for weight in embeddings(model) if weight.requires_grad}
    if run.base_config.source == SCRATCH:
        rows = set()
    others = [parameter for parameter in trained if id(parameter) not in rows]
    rows_rate = settings.rows_learning_rate or settings.learning_rate
    decay = settings.weight_decay if config.trainable == "all" else 0.0
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
        {"params": [p for p in trained if id(p) in rows], "weight_decay": 0.0, "lr": rows_rate},
    ]
    groups = [group for group in groups if group["params"]]
    # One kernel for a whole group: a sixth of the time, and no second copy of what it computes.
    optimizer = torch.optim.AdamW(groups, settings.learning_rate, BETAS, fused=True)
    if rows and config.trainable == "all" and rows_rate != settings.learning_rate:
        words = min(new_rows(run.encoder.tokenizer, run.table))
        _slow_down(optimizer, words, settings.learning_rate / rows_rate)
    return optimizer


def _slow_down(optimizer: torch.optim.Optimizer, words: int, factor: float) -> None:
    """Let the first rows of the last group's matrices move by a fraction of their step.

    Words and new rows share one matrix, and AdamW gives all of it one rate.
    """
    kept: list[Tensor] = []

    def remember(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        # Looked up each time: FSDP2 puts other weights in the place of these.
        kept[:] = [weight.detach().clone() for weight in optimizer.param_groups[-1]["params"]]

    @torch.no_grad()
    def draw_back(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for before, weight in zip(kept, optimizer.param_groups[-1]["params"], strict=True):
            is_word = torch.arange(len(weight), device=weight.device).unsqueeze(1) < words
            slow = before + factor * (weight - before)
            weight.copy_(torch.where(align_rows(is_word, weight), slow, weight))

    optimizer.register_step_pre_hook(remember)
    optimizer.register_step_post_hook(draw_back)
