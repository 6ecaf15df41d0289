"""Scores of given leaves after prompts, without a search.

Enters: prompts that were read, a trie, filters, leaves. Leaves: the score of each, by the rule of
``scores``, as ``beam`` gives it to a leaf that it finds. Must not know what a leaf stands for.

The paths are known, so all their tokens are run in one forward pass, as sibling tokens behind the
prompts; where every token is forced the model is not run at all.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from genrec.decode.bias import Tilt
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie, check_vocabulary
from genrec.decode.fusion import Guide
from genrec.decode.prefill import NOT_CACHED, Prompts
from genrec.decode.scores import child_logprobs

LEAVES_AT_ONCE = 64


@torch.inference_mode()
def score_leaves(
    prompts: Prompts,
    trie: DeviceTrie,
    leaves: Tensor,
    constraint: Constraint | None = None,
    guide: Guide | None = None,
    tilt: Tilt | None = None,
) -> Tensor:
    """Score some leaves of each row.

    To score most leaves of a trie, search with as many beams: that shares prefixes.

    Args:
        prompts: Of B rows.
        trie: On the model's device.
        leaves: Shape: (B, R).
        constraint: Of B rows.
        guide: A second opinion, built under the same constraint.
        tilt: What is added to the odds of some nodes, of B rows.

    Returns:
        Summed log-probabilities in nats, -inf for leaves that a row's filters forbid.
        Shape: (B, R), float32.

    Raises:
        ValueError: The trie is of a larger vocabulary.
    """
    check_vocabulary(trie, prompts.logits.shape[-1])
    scores = []
    for part in leaves.split(LEAVES_AT_ONCE, dim=1):
        lineage = trie.lineage(part)
        steps = [_step(trie, lineage, level, constraint) for level in range(trie.num_levels)]
        total = torch.zeros(part.shape, device=part.device)
        logits = _logits(prompts, trie, lineage, steps)
        for level, step in enumerate(steps):
            among = logits[level].gather(-1, step.tokens)
            if guide is not None:
                among = guide.mix(among, step.nodes)
            nats = None if tilt is None else tilt.at(step.nodes)
            logprobs = child_logprobs(among, step.allowed, trie.learned_at(step.nodes), nats)
            taken = step.allowed & (step.nodes == lineage[..., level + 1, None])
            total += logprobs.masked_fill(~taken, 0).sum(dim=-1)
            total.masked_fill_(~taken.any(dim=-1), -torch.inf)
        scores.append(total)
    return torch.cat(scores, dim=1) if scores else torch.zeros(leaves.shape, device=leaves.device)


class _Step(NamedTuple):
    """The children among which a path chooses at one level. Shapes: (B, R, C)."""

    nodes: Tensor
    tokens: Tensor
    allowed: Tensor


def _step(trie: DeviceTrie, lineage: Tensor, level: int, constraint: Constraint | None) -> _Step:
    return _Step(*trie.expand(lineage[..., level], constraint))


def _logits(
    prompts: Prompts, trie: DeviceTrie, lineage: Tensor, steps: list[_Step]
) -> list[Tensor]:
    """Return the model's scores before each level; zeros where it has no say. Shape: (B, R, V)."""
    num_rows, num_leaves = lineage.shape[:2]
    first = prompts.logits.expand(-1, num_leaves, -1)
    choosing = [
        bool(((step.allowed & trie.learned_at(step.nodes)).sum(dim=-1) > 1).any()) for step in steps
    ]
    depth = max((level for level, has_choice in enumerate(choosing) if has_choice), default=0)
    if depth == 0:
        return [first, *(torch.zeros_like(first) for _ in steps[1:])]
    tokens = trie.tokens[lineage[..., 1 : depth + 1]].long()
    places = torch.arange(num_leaves * depth, device=tokens.device).view(num_leaves, 1, depth)
    levels = torch.arange(depth, device=tokens.device)
    # Token j of a path sees tokens 0..j of its own path.
    family = (prompts.num_cached + places).masked_fill(levels > levels.view(-1, 1), NOT_CACHED)
    logits = prompts.append(
        tokens.flatten(1),
        levels.repeat(num_rows, num_leaves),
        family.reshape(1, -1, depth).expand(num_rows, -1, -1),
    ).unflatten(1, (num_leaves, depth))
    prompts.forget()
    rest = [torch.zeros_like(first) for _ in steps[depth + 1 :]]
    return [first, *logits.unbind(dim=2), *rest]
