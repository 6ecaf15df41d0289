"""Several rows of a search after one prompt: beams that stand at the same node are run once.

Enters: steps of a search. Leaves: steps of one row for each prompt. Must not know the model.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genrec.decode.policy import Children
from genrec.decode.search import Step, StepScorer


class SharedPrompts:
    """A ``StepScorer`` of searches with the same number of rows after each prompt.

    The rows of a prompt follow one another. Their filters may differ, so their beams may too.
    """

    def __init__(self, prompts: StepScorer, rows_each: int) -> None:
        """Take prompts that were read.

        Args:
            prompts: One row each.
            rows_each: Rows of the search after each.
        """
        self._prompts, self._rows_each = prompts, rows_each
        # Which beam of its prompt each beam of the step before became. Shape: (B, rows x M).
        self._place = torch.empty(0, 0)

    def child_logits(self, step: Step) -> Tensor:
        """See ``StepScorer``."""
        if self._rows_each == 1:
            return self._prompts.child_logits(step)
        if not step.nodes.numel():
            # No filter left anything: no beam goes on.
            return torch.zeros(step.children.tokens.shape, device=step.nodes.device)
        merged, self._place = self._merge(step)
        logits = self._prompts.child_logits(merged)
        return _pick(logits, self._place).reshape(*step.nodes.shape, -1)

    def _merge(self, step: Step) -> tuple[Step, Tensor]:
        """Return a step of one row for each prompt, and which of its beams each beam became."""
        nodes, order = self._by_prompt(step.nodes).sort(dim=1, stable=True)
        turn = nn.functional.pad(nodes.diff(dim=1) > 0, (1, 0)).cumsum(dim=1)
        place = torch.empty_like(order).scatter_(1, order, turn)
        shape = len(nodes), int(turn[:, -1].max()) + 1
        # Where a prompt has fewer nodes than another the rest is some beam again, without a choice.
        last = nodes.shape[1] - 1
        chosen = order.new_full(shape, last).scatter_reduce_(1, turn, order, "amin")
        choices = self._by_prompt(step.children.has_choice).long()
        has_choice = order.new_zeros(shape).scatter_reduce_(1, place, choices, "amax") > 0

        def take(whole: Tensor) -> Tensor:
            return _pick(self._by_prompt(whole), chosen)

        children = Children(*map(take, step.children))._replace(has_choice=has_choice)
        parents = _pick(self._parents(step), chosen)
        return Step(take(step.nodes), take(step.paths), parents, children), place

    def _by_prompt(self, whole: Tensor) -> Tensor:
        """Put the beams of all rows of a prompt into one. Shapes: (B x rows, M, ...)."""
        rows, beams, *rest = whole.shape
        return whole.reshape(rows // self._rows_each, self._rows_each * beams, *rest)

    def _parents(self, step: Step) -> Tensor:
        """Return which merged beam each beam continues. Shape: (B, rows x M)."""
        if step.paths.shape[-1] == 0:
            return self._by_prompt(step.parents)
        parents = step.parents.reshape(-1, self._rows_each, step.parents.shape[1])
        before = self._place.view(len(parents), self._rows_each, -1)
        return before.gather(2, parents).flatten(1)


def _pick(whole: Tensor, index: Tensor) -> Tensor:
    """Take some beams of each row. Shapes: (B, X, ...), (B, Y); and (B, Y, ...)."""
    return whole[torch.arange(len(whole), device=whole.device).unsqueeze(1), index]
