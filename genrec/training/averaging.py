"""The moving average of the weights: what is validated, and what a training leaves.

While the learning rate is high, weights of a single step stand wherever its batch has thrown them;
their average shows where they would settle. It reaches back over a share of the steps so far, so
that it leaves the poor weights of the beginning behind (polynomial-decay averaging: Shamir and
Zhang, arXiv 1212.1824), and over less of them the lower the rate: when it has come to zero, the
weights have settled, and are their own average.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from genrec.model.sharding import trained_weights


class AveragedWeights:
    """The average of a module's trained weights over the steps, beside the weights themselves.

    Args:
        module: As Accelerate prepared it; sharded or not.
        share: At a constant rate, the weights of step t count in proportion to t to the power of
            ``1 / share - 1``: at 1, all steps count alike; at 0.4, the last two fifths count for
            seven tenths. At 0 nothing is averaged, nor is memory taken.
    """

    def __init__(self, module: nn.Module, share: float) -> None:
        self._module, self._share = module, share
        weights = trained_weights(module) if share else []
        self._average = [weight.detach().clone() for weight in weights]

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(self._average, trained_weights(self._module), strict=False)

    @torch.no_grad()
    def update(self, step: int, rate: float) -> None:
        """Take in the weights after a step.

        Args:
            step: Numbered from 1.
            rate: The learning rate, as a share of the highest.
        """
        steps = self._share * step * rate
        for average, weight in self._pairs():
            average.lerp_(weight, 1 / max(steps, 1.0))

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the module's weights and their average."""
        for average, weight in self._pairs():
            before = weight.clone()
            weight.copy_(average)
            average.copy_(before)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Let the module hold the average for a while."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
