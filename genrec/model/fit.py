"""The training loop: epochs, validation, early stopping, and the best weights kept.

The SASRec head and TIGER are trained by ``fit``; the LM, which runs on Accelerate and resumes from
checkpoints (``training.loop``), shares its ``EarlyStopping`` and ``check_finite``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import nn

from genrec.errors import TrainingError
from genrec.progress import progress

BETAS = (0.9, 0.98)
"""Of AdamW, for LM and head: squared gradients of some 50 steps, as there are not many."""
B = TypeVar("B")


@dataclass
class EarlyStopping:
    """Whether training still gains anything.

    Attributes:
        patience: Validations without a gain after which training stops; 0: it never does.
        best: Best validation score so far.
        stale: Validations since then.
    """

    patience: int
    best: float = -1.0
    stale: int = 0

    def is_best(self, score: float) -> bool:
        """Take a validation score; return whether it is the best so far."""
        improved = score > self.best
        self.best = max(self.best, score)
        self.stale = 0 if improved else self.stale + 1
        return improved

    @property
    def is_over(self) -> bool:
        """Whether patience has run out."""
        return self.patience > 0 and self.stale >= self.patience


def check_finite(what: str, value: float, step: int) -> None:
    """Check a loss, or what else tells that weights are sound, at a step numbered from 1.

    Raises:
        TrainingError: It is infinite or not a number.
    """
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} at step {step} is {value}; training stopped and wrote nothing. Lower the "
            "learning rate and start again"
        )


def fit(
    model: nn.Module,
    epochs: int,
    batches: Callable[[int], Iterable[B]],
    take_step: Callable[[B], float],
    validate: Callable[[], float] | None,
    every_epochs: int,
    patience: int,
    description: str,
) -> list[dict[str, float]]:
    """Train a model in place and leave it with its best weights, in evaluation mode.

    Args:
        model: On its device.
        epochs: At most so many.
        batches: Of an epoch, which is numbered from 1.
        take_step: Learns from one batch and returns its loss.
        validate: Measures the model as it is, higher is better; None keeps the last weights.
        every_epochs: Epochs between two validations; the last epoch is always validated.
        patience: See ``EarlyStopping``.
        description: Of the progress bar.

    Returns:
        For each validation its "epoch", the mean "loss" since the one before, and "ndcg@10".

    Raises:
        TrainingError: The loss is not finite.
    """
    stopping = EarlyStopping(patience)
    best_weights: dict[str, Any] = {}
    curve: list[dict[str, float]] = []
    losses: list[float] = []
    steps = 0
    with progress() as bar:
        task = bar.add_task(description, total=epochs, note="")
        for epoch in range(1, epochs + 1):
            model.train()
            for batch in batches(epoch):
                losses.append(take_step(batch))
                steps += 1
                check_finite(f"loss of the {description}", losses[-1], steps)
            bar.advance(task)
            if epoch % every_epochs and epoch < epochs:
                continue
            point = {"epoch": float(epoch), "loss": float(np.mean(losses)) if losses else 0.0}
            losses = []
            curve.append(point)
            if validate is None:
                continue
            model.eval()
            point["ndcg@10"] = validate()
            if stopping.is_best(point["ndcg@10"]):
                best_weights = {
                    name: value.detach().clone() for name, value in model.state_dict().items()
                }
            bar.update(task, note=f"loss {point['loss']:.3f} · NDCG@10 {stopping.best:.4f}")
            if stopping.is_over:
                break
    if best_weights:
        model.load_state_dict(best_weights)
    model.eval()
    return curve
