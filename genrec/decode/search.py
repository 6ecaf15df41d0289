"""The search: beam search over a trie, and scores of given leaves, whatever model is asked.

Enters: a policy, and a scorer that returns a model's logits of children. Leaves: the best leaves of
each row, or the scores of given ones. Must not know the model, nor what a leaf stands for.

Both are written once as generators: they yield the ``Step`` at which logits are needed and are sent
these. A scorer in this process answers at once (``run_search``); vLLM answers asynchronously
(``engines.vllm.search``).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from genrec.decode.policy import Children, Policy
from genrec.decode.trie import NO_NODE, ROOT

R = TypeVar("R")


class Beams(NamedTuple):
    """What a search returns, best first; equal scores are in the order of their paths.

    Attributes:
        leaves: -1 where a row's filters leave fewer than asked. Shape: (B, K), int64.
        scores: Summed log-probabilities in nats, -inf where there is no leaf.
            Shape: (B, K), float32.
        alone: What the model would score each without fusion and bias. Shape: (B, K), float32.
    """

    leaves: Tensor
    scores: Tensor
    alone: Tensor


class Step(NamedTuple):
    """Where a search needs logits.

    Attributes:
        nodes: Where each beam stands. Shape: (B, M).
        paths: Tokens of each beam so far. Shape: (B, M, level).
        parents: Beam of the step before that each one continues. Shape: (B, M).
        children: Of each beam. Shapes: (B, M, C).
    """

    nodes: Tensor
    paths: Tensor
    parents: Tensor
    children: Children


class StepScorer(Protocol):
    """A model that has read a batch of prompts."""

    def child_logits(self, step: Step) -> Tensor:
        """Return the logits of the children of each beam; steps of one search come in order.

        Returns:
            Meaningless where ``step.children.has_choice`` is False. Shape: (B, M, C).
        """
        ...


Search = Generator[Step, Tensor, R]


def run_search(search: Search[R], scorer: StepScorer) -> R:
    """Carry a search out with a scorer that answers at once."""
    try:
        step = next(search)
        while True:
            step = search.send(scorer.child_logits(step))
    except StopIteration as finished:
        result: R = finished.value
        return result


def beam_search(
    policy: Policy, num_rows: int, num_beams: int, num_wanted: int | None = None
) -> Search[Beams]:
    """Find the best leaves of each row.

    Every beam kept leads to an allowed leaf, so as many leaves come back as are wanted wherever the
    filters leave as many. With as many beams as the widest level has nodes the result is exact.

    Args:
        policy: Of ``num_rows`` rows.
        num_rows: B.
        num_beams: Beams kept at each level but the last.
        num_wanted: Leaves returned, ``num_beams`` at most; None: as many. The fewer, the less of
            the last level is asked for.
    """
    trie = policy.trie
    device = trie.tokens.device
    nodes = torch.full((num_rows, 1), ROOT, device=device)
    scores = torch.zeros(num_rows, 1, device=device)
    alone = torch.zeros(num_rows, 1, device=device)
    parents = torch.zeros(num_rows, 1, dtype=torch.int64, device=device)
    paths = torch.empty(num_rows, 1, 0, dtype=torch.int64, device=device)
    num_wanted = num_beams if num_wanted is None else num_wanted
    for level in range(trie.num_levels):
        kept = num_wanted if level == trie.num_levels - 1 else num_beams
        step = Step(nodes, paths, parents, policy.expand(nodes))
        children = step.children
        own, total = yield from _score_best(policy, step, scores, kept)
        best, scores = _best(total.flatten(1), kept)
        nodes = children.nodes.flatten(1).gather(1, best).masked_fill(scores.isneginf(), NO_NODE)
        parents = best // total.shape[-1]
        alone = alone.gather(1, parents) + own.flatten(1).gather(1, best)
        before = paths.gather(1, parents.unsqueeze(-1).expand(-1, -1, paths.shape[-1]))
        token = children.tokens.flatten(1).gather(1, best).unsqueeze(-1)
        paths = torch.cat([before, token], dim=-1)
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    leaves = trie.leaves(nodes.gather(1, order))
    missing = (0, num_wanted - leaves.shape[1])
    return Beams(
        nn.functional.pad(leaves, missing, value=NO_NODE),
        nn.functional.pad(scores, missing, value=-torch.inf),
        nn.functional.pad(alone.gather(1, order), missing, value=-torch.inf),
    )


def _score_best(
    policy: Policy, step: Step, scores: Tensor, num_kept: int
) -> Search[tuple[Tensor, Tensor]]:
    """Score children of beams: all that can be among the best, and of the others as few as may be.

    No child has a higher score than its beam. So the best beams are asked about first, and of the
    others only those that may still have a child among the best.

    Args:
        policy: Of the rows.
        step: The beams.
        scores: Of the beams. Shape: (B, M).
        num_kept: How many children of a row are the best.

    Returns:
        What the model alone says of each child, and each child's whole score; -inf where it is not
        among the best in any case. Shapes: (B, M, C).
    """
    children, num_first = step.children, num_kept + num_kept // 2
    if scores.shape[1] <= num_first or not children.tokens.numel():
        logits = yield step
        own = policy.alone(logits, children)
        return own, scores.unsqueeze(-1) + policy.fuse(own, children)
    first = scores.topk(num_first).indices
    later = children.has_choice.scatter(1, first, False)

    def score(logits: Tensor, unasked: Tensor) -> tuple[Tensor, Tensor]:
        own = policy.alone(logits, children)
        total = scores.unsqueeze(-1) + policy.fuse(own, children)
        return own, total.masked_fill(unasked.unsqueeze(-1), -torch.inf)

    logits = yield _ask_about(step, children.has_choice & ~later)
    own, total = score(logits, later)
    worst = total.flatten(1).topk(num_kept).values[:, -1:]
    missing = later & (scores >= worst)
    if missing.any():
        # The same beams once more: each continues itself.
        same = torch.arange(scores.shape[1], device=scores.device).expand(scores.shape)
        more = yield _ask_about(step._replace(parents=same), missing)
        logits = torch.where(missing.unsqueeze(-1), more, logits)
        own, total = score(logits, later & ~missing)
    return own, total


def _ask_about(step: Step, beams: Tensor) -> Step:
    """Return a step at which the model is asked about some beams. Shape of beams: (B, M)."""
    return step._replace(children=step.children._replace(has_choice=beams))


def score_leaves(policy: Policy, leaves: Tensor) -> Search[Tensor]:
    """Score given leaves, as ``beam_search`` scores them.

    The paths are known, so nothing is chosen: every leaf is one beam, all the way down.

    Args:
        policy: Of B rows.
        leaves: Shape: (B, M).

    Returns:
        Summed log-probabilities in nats, -inf for leaves that a row's filters forbid.
        Shape: (B, M), float32.
    """
    trie = policy.trie
    lineage = trie.lineage(leaves)
    paths = trie.tokens[lineage[..., 1:]].long()
    parents = torch.arange(leaves.shape[1], device=leaves.device).expand(leaves.shape)
    total = torch.zeros(leaves.shape, device=leaves.device)
    for level in range(trie.num_levels):
        nodes = lineage[..., level]
        children = policy.expand(nodes)
        of = parents if level else torch.zeros_like(parents)
        logits = yield Step(nodes, paths[..., :level], of, children)
        taken = children.allowed & (children.nodes == lineage[..., level + 1, None])
        total += policy.apply(logits, children).masked_fill(~taken, 0).sum(dim=-1)
        total.masked_fill_(~taken.any(dim=-1), -torch.inf)
    return total


def score_children(policy: Policy, path: Sequence[int], num_rows: int) -> Search[Tensor]:
    """Score what may follow the first tokens of a path, the same for all rows.

    Args:
        policy: Of ``num_rows`` rows.
        path: Tokens that lead to a node with children.
        num_rows: B.

    Returns:
        Log-probabilities of the node's children. Shape: (B, C), float32.
    """
    trie = policy.trie
    nodes = torch.tensor(
        [trie.find(path[:level]) for level in range(len(path) + 1)], device=trie.tokens.device
    ).expand(num_rows, 1, -1)
    tokens = trie.tokens[nodes[..., 1:]].long()
    parents = torch.zeros_like(nodes[..., 0])
    for level in range(len(path)):
        # What is given is no choice.
        given = policy.expand(nodes[..., level])
        given = given._replace(has_choice=torch.zeros_like(given.has_choice))
        yield Step(nodes[..., level], tokens[..., :level], parents, given)
    children = policy.expand(nodes[..., -1])
    logits = yield Step(nodes[..., -1], tokens, parents, children)
    return policy.apply(logits, children).squeeze(1)


def _best(scores: Tensor, num_beams: int) -> tuple[Tensor, Tensor]:
    """Choose the highest scores of each row; of equal ones the first.

    Args:
        scores: Shape: (B, X).
        num_beams: How many, X at most.

    Returns:
        Indices in ascending order, and their scores. Shapes: (B, min(num_beams, X)).
    """
    width = min(num_beams, scores.shape[1])
    worst = scores.topk(width).values[:, -1:]
    better, equal = scores > worst, scores == worst
    room = width - better.sum(dim=1, keepdim=True)
    kept = better | (equal & (equal.cumsum(dim=1) <= room))
    best = kept.nonzero()[:, 1].view(len(scores), width)
    return best, scores.gather(1, best)
