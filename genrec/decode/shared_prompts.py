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
        rows, beams = step.nodes.shape
        num_prompts = rows // self._rows_each

        def by_prompt(whole: Tensor) -> Tensor:
            return whole.reshape(num_prompts, self._rows_each * beams, *whole.shape[2:])

        nodes, order = by_prompt(step.nodes).sort(dim=1, stable=True)
        turn = nn.functional.pad(nodes.diff(dim=1) > 0, (1, 0)).cumsum(dim=1)
        place = torch.empty_like(order).scatter_(1, order, turn)
        width = int(turn[:, -1].max()) + 1
        # Where a prompt has fewer nodes than another the rest is nobody's, and has no choice.
        shape = num_prompts, width
        chosen = order.new_full(shape, beams * self._rows_each - 1)
        chosen.scatter_reduce_(1, turn, order, "amin")
        asked = order.new_zeros(shape)
        asked.scatter_reduce_(1, place, by_prompt(step.children.has_choice).long(), "amax")
        merged = Step(
            *(_pick(by_prompt(part), chosen) for part in (step.nodes, step.paths)),
            _pick(self._parents(step), chosen),
            Children(*(_pick(by_prompt(part), chosen) for part in step.children)),
        )
        logits = self._prompts.child_logits(
            merged._replace(children=merged.children._replace(has_choice=asked > 0))
        )
        self._place = place
        return _pick(logits, place).reshape(rows, beams, -1)

    def _parents(self, step: Step) -> Tensor:
        """Return the merged parent of each beam. Shape: (B, rows x M)."""
        rows, beams = step.parents.shape
        parents = step.parents.reshape(-1, self._rows_each, beams)
        if step.paths.shape[-1] == 0:
            return parents.flatten(1)
        before = self._place.reshape(len(parents), self._rows_each, -1)
        return before.gather(2, parents).flatten(1)


def _pick(whole: Tensor, index: Tensor) -> Tensor:
    """Take some beams of each row. Shapes: (B, X, ...), (B, Y); and (B, Y, ...)."""
    return whole[torch.arange(len(whole), device=whole.device).unsqueeze(1), index]
