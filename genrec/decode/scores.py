"""The rule of scores, on which all engines agree.

The probability of a token is renormalised over the children its node has left after the row's
filters. So a node with one allowed child adds log 1 = 0.

A child that training never met (every leaf below it is new) has no probability to speak of: the
model would all but rule it out, and a new item could not be found until the next training. It takes
an equal share instead: among n allowed children each such child has 1 / n, and what is left is
divided among the others as the model says. A new item thus stands with the average of its siblings.

Where a row's odds are tilted (``tilt``), each child's probability is multiplied by the exponential
of its nats, and the children are normalised again. A lone child still adds 0.
"""

from __future__ import annotations

import torch
from torch import Tensor


def child_logprobs(
    logits: Tensor, allowed: Tensor, learned: Tensor, nats: Tensor | None = None
) -> Tensor:
    """Return the log-probability of each child of each node.

    Args:
        logits: The model's scores of the children; read only where a node has several allowed and
            learned ones. Shape: (..., C).
        allowed: Whether each may be taken. Shape: (..., C), bool.
        learned: Whether training met each. Shape: (..., C), bool.
        nats: What a row's tilt adds to each child's log-odds. Shape: (..., C).

    Returns:
        -inf for children that may not be taken; the others sum to 1. Shape: (..., C), float32.

    Examples:
        >>> allowed = torch.tensor([True, True, False, True])
        >>> learned = torch.tensor([True, True, True, False])
        >>> child_logprobs(torch.zeros(4), allowed, learned).exp()
        tensor([0.3333, 0.3333, 0.0000, 0.3333])
    """
    told = allowed & learned
    # A row of -inf has a NaN softmax; nothing of it is kept.
    among = logits.float().masked_fill(~told, -torch.inf).log_softmax(dim=-1)
    count = allowed.sum(dim=-1, keepdim=True)
    share = (told.sum(dim=-1, keepdim=True) / count).log()
    equal = -count.float().log()
    logprobs = torch.where(told, among + share, torch.where(allowed, equal, -torch.inf))
    if nats is None:
        return logprobs
    # Nodes without an allowed child have a NaN softmax here too.
    return torch.where(allowed, (logprobs + nats).log_softmax(dim=-1), -torch.inf)
