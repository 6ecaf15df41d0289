"""TIGER's training: every prefix of a history is a sample, the best look at validation is kept.

Enters: histories as rows of items, a T5. Leaves: the T5 with its best weights, and the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import T5ForConditionalGeneration, get_cosine_schedule_with_warmup

from genrec.baselines.tiger_config import TigerConfig
from genrec.baselines.tiger_model import lay_out
from genrec.model.fit import fit
from genrec.model.precision import multiplies_bfloat16

_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True)
class Samples:
    """Every event of a user but the first, with up to ``max_items`` events before it.

    Attributes:
        rows: Items of all events, user by user, oldest first, as rows of the ID table.
            Shape: (events,).
        begins: Where each sample's history begins. Shape: (samples,).
        ends: Where it ends, which is the place of the target. Shape: (samples,).
    """

    rows: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, user_index: np.ndarray, rows: np.ndarray, max_items: int) -> Samples:
        """Cut histories into samples.

        Args:
            user_index: Whose each event is; grouped. Shape: (events,).
            rows: See ``Samples``.
            max_items: Longest history.

        Examples:
            >>> samples = Samples.of(np.array([0, 0, 0, 1, 1]), np.array([7, 8, 9, 5, 6]), 1)
            >>> samples.begins.tolist(), samples.ends.tolist()
            ([0, 1, 3], [1, 2, 4])
        """
        places = np.arange(len(rows))
        starts = np.concatenate([[True], user_index[1:] != user_index[:-1]])[: len(rows)]
        first = np.maximum.accumulate(np.where(starts, places, 0)) if len(rows) else places
        ends = places[places > first]
        return cls(rows, np.maximum(first[ends], ends - max_items), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def batches(self, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Yield every sample once, in batches of like length and random order."""
        lengths = self.ends - self.begins
        order = np.argsort(lengths + rng.random(len(self)), kind="stable")
        batches = np.array_split(order, math.ceil(len(self) / size))
        for place in rng.permutation(len(batches)):
            yield batches[place]

    def lay_out(self, batch: np.ndarray, paths: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Return a batch's ``input_ids``, ``attention_mask`` and labels, on the CPU.

        Args:
            batch: Numbers of samples.
            paths: Tokens of every item. Shape: (N, L).
        """
        histories = [self.rows[self.begins[n] : self.ends[n]] for n in batch]
        return *lay_out(histories, paths), torch.from_numpy(paths[self.rows[self.ends[batch]]])


def train(
    model: T5ForConditionalGeneration,
    samples: Samples,
    paths: np.ndarray,
    config: TigerConfig,
    seed: int,
    validate: Callable[[], float] | None,
) -> list[dict[str, float]]:
    """Train a model in place and leave it with its best weights, in evaluation mode.

    Args:
        model: On its device.
        samples: At least one.
        paths: Tokens of every item. Shape: (N, L).
        config: See ``TigerConfig``.
        seed: Of the order of samples; dropout draws from torch's global generator.
        validate: Measures the model as it is, higher is better; None keeps the last weights.

    Returns:
        Its validations; see ``fit``. Losses are in nats.
    """
    num_batches = math.ceil(len(samples) / config.batch_size)
    optimizer, schedule = _optimizer(model, config, config.epochs * num_batches)
    bf16 = multiplies_bfloat16(model.device) if config.bf16 is None else config.bf16

    def batches(epoch: int) -> Iterator[np.ndarray]:
        return samples.batches(config.batch_size, np.random.default_rng([seed, epoch]))

    def take_step(batch: np.ndarray) -> float:
        loss = _step(model, samples.lay_out(batch, paths), bf16, optimizer)
        schedule.step()
        return loss

    return fit(
        model,
        config.epochs,
        batches,
        take_step,
        validate,
        config.every_epochs,
        config.patience,
        "training tiger",
    )


def _step(
    model: T5ForConditionalGeneration,
    batch: tuple[Tensor, Tensor, Tensor],
    bf16: bool,
    optimizer: torch.optim.Optimizer,
) -> float:
    """Learn from one batch; return its mean loss in nats a token."""
    input_ids, attention_mask, labels = (part.to(model.device) for part in batch)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        loss = model(input_ids=input_ids, attention_mask=attention_mask, labels=labels).loss
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), _LARGEST_GRADIENT)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.item())


def _optimizer(
    model: nn.Module, config: TigerConfig, num_steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    matrices = [each for each in model.parameters() if each.ndim > 1]
    scales = [each for each in model.parameters() if each.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": config.weight_decay},
            {"params": scales, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
    )
    warmup = min(config.warmup_steps, num_steps // 10)
    return optimizer, get_cosine_schedule_with_warmup(optimizer, warmup, max(num_steps, 1))
