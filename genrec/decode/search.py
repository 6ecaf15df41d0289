"""Tree beam search: the best paths of a trie under a causal language model.

Enters: prompts, a trie, filters, a Hugging Face causal LM. Leaves: per row the best leaves and
their scores. Must not know what a leaf stands for, nor how a prompt came about.

Each prompt is read once. From then on all beams of a row are *sibling tokens in that same row*:
their keys and values are appended to the row's cache, siblings share a position, and a mask lets
each see the prompt and its own ancestors only. Nothing is copied or reordered for a beam, and any
decoder with rotary positions does it through its plain ``forward``.

By the rule of scores (``scores``) the model has a say only where a node has several children to
choose from. Elsewhere it is not run at all; the token waits until a descendant has a choice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from genrec.decode.bias import Tilt
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie, check_vocabulary
from genrec.decode.fusion import Guide
from genrec.decode.prefill import NOT_CACHED, Prompts
from genrec.decode.scores import child_logprobs
from genrec.decode.trie import NO_NODE, ROOT


class Beams(NamedTuple):
    """What a search found, best first; equal scores stand in the order of their paths.

    Attributes:
        leaves: -1 where a row's filters leave fewer than asked. Shape: (B, K), int64.
        scores: Summed log-probabilities in nats, -inf where there is no leaf.
            Shape: (B, K), float32.
    """

    leaves: Tensor
    scores: Tensor


@torch.inference_mode()
def tree_beam_search(
    model: nn.Module,
    input_ids: Tensor,
    attention_mask: Tensor,
    trie: DeviceTrie,
    num_beams: int,
    constraint: Constraint | None = None,
    guide: Guide | None = None,
    tilt: Tilt | None = None,
) -> Beams:
    """Find the best leaves of each row.

    Every beam kept leads to an allowed leaf, so ``num_beams`` leaves come back wherever the
    filters leave as many. With as many beams as the widest level has nodes the result is exact.

    Args:
        model: Causal LM in evaluation mode, PEFT-wrapped or not.
        input_ids: Prompts, padded on either side. Shape: (B, T).
        attention_mask: 1 at tokens, 0 at padding; each row holds a token. Shape: (B, T).
        trie: On the model's device.
        num_beams: Beams kept at each level and leaves returned.
        constraint: Of B rows.
        guide: A second opinion, built under the same constraint.
        tilt: What is added to the odds of some nodes, of B rows.

    Raises:
        DecodeError: The model cannot decode a tree of siblings.
        ValueError: The trie is of a larger vocabulary.
    """
    prompts = Prompts.read(model, input_ids, attention_mask, trie.num_levels)
    check_vocabulary(trie, prompts.logits.shape[-1])
    tree = _Tree.planted(len(input_ids), input_ids.device)
    for _ in range(trie.num_levels):
        nodes, tokens, allowed = trie.expand(tree.nodes, constraint)
        logits = _child_logits(prompts, tree, tokens, allowed & trie.learned_at(nodes))
        if guide is not None:
            logits = guide.mix(logits, nodes)
        nats = None if tilt is None else tilt.at(nodes)
        logprobs = child_logprobs(logits, allowed, trie.learned_at(nodes), nats)
        tree.grow(nodes, tokens, tree.scores.unsqueeze(-1) + logprobs, num_beams)
    scores, order = tree.scores.sort(dim=1, descending=True, stable=True)
    leaves = trie.leaves(tree.nodes.gather(1, order))
    missing = (0, num_beams - leaves.shape[1])
    return Beams(
        nn.functional.pad(leaves, missing, value=NO_NODE),
        nn.functional.pad(scores, missing, value=-torch.inf),
    )


class _Tree:
    """The beams of every row, in the order of their paths.

    Attributes:
        nodes: Trie nodes, -1 where a row has fewer beams. Shape: (B, M).
        scores: Summed log-probabilities, -inf where there is no beam. Shape: (B, M), float32.
        paths: Tokens so far. Shape: (B, M, level).
        columns: Cache column of each of these tokens; -1 until run through the model.
            Shape: (B, M, level).
    """

    def __init__(self, nodes: Tensor, scores: Tensor, paths: Tensor, columns: Tensor) -> None:
        self.nodes, self.scores, self.paths, self.columns = nodes, scores, paths, columns

    @classmethod
    def planted(cls, num_rows: int, device: torch.device) -> _Tree:
        """Start at the root."""
        nodes = torch.full((num_rows, 1), ROOT, device=device)
        empty = torch.empty(num_rows, 1, 0, dtype=torch.int64, device=device)
        return cls(nodes, torch.zeros(num_rows, 1, device=device), empty, empty)

    def grow(self, nodes: Tensor, tokens: Tensor, scores: Tensor, num_beams: int) -> None:
        """Replace the beams by the best of their children.

        Args:
            nodes: The children. Shape: (B, M, C).
            tokens: Shape: (B, M, C).
            scores: -inf for children that may not be taken. Shape: (B, M, C).
            num_beams: How many to keep.
        """
        num_children = scores.shape[-1]
        best, self.scores = _best(scores.flatten(1), num_beams)
        self.nodes = nodes.flatten(1).gather(1, best).masked_fill(self.scores.isneginf(), NO_NODE)
        parents = (best // num_children).unsqueeze(-1).expand(-1, -1, self.paths.shape[-1])
        token = tokens.flatten(1).gather(1, best).unsqueeze(-1)
        self.paths = torch.cat([self.paths.gather(1, parents), token], dim=-1)
        columns = self.columns.gather(1, parents)
        self.columns = torch.cat([columns, torch.full_like(token, NOT_CACHED)], dim=-1)

    def run(self, prompts: Prompts, beams: Tensor) -> tuple[Tensor, Tensor]:
        """Run what some beams have not yet run through the model.

        A token that waited has one descendant, so nothing is ever run twice.

        Args:
            prompts: What the tree grows on.
            beams: Whether to run each; at least one. Shape: (B, M), bool.

        Returns:
            Logits of all tokens run, and which of them is each beam's last.
            Shapes: (B, Q, V), (B, M).
        """
        depth = self.paths.shape[-1]
        before = prompts.num_cached
        waiting = (beams.unsqueeze(-1) & (self.columns == NOT_CACHED)).flatten(1)
        turn = waiting.cumsum(dim=1) - 1
        columns = torch.where(waiting, before + turn, self.columns.flatten(1))
        self.columns = columns.view_as(self.columns)
        # Which of ``paths`` is run in which turn. Rows with fewer tokens run some others of theirs
        # again; nobody looks at those columns.
        num_new = int(turn.max()) + 1
        order = waiting.int().sort(dim=1, descending=True, stable=True).indices[:, :num_new]
        depths = order % depth
        owners = (order // depth).unsqueeze(-1).expand(-1, -1, depth)
        later = torch.arange(depth, device=order.device) > depths.unsqueeze(-1)
        family = self.columns.gather(1, owners).masked_fill(later, NOT_CACHED)
        logits = prompts.append(self.paths.flatten(1).gather(1, order), depths, family)
        return logits, (self.columns[..., -1] - before).clamp(min=0)


def _child_logits(prompts: Prompts, tree: _Tree, tokens: Tensor, told: Tensor) -> Tensor:
    """Return the model's scores of the children, of nodes where it has a say.

    Args:
        prompts: What the tree grows on.
        tree: The beams.
        tokens: Of the children. Shape: (B, M, C).
        told: Children among which the model chooses. Shape: (B, M, C), bool.

    Returns:
        Meaningless for other nodes. Shape: (B, M, C).
    """
    choosing = told.sum(dim=-1) > 1
    if not choosing.any():
        return torch.zeros(told.shape, device=told.device)
    if tree.paths.shape[-1] == 0:
        logits, place = prompts.logits, torch.zeros_like(tree.nodes)
    else:
        logits, place = tree.run(prompts, choosing)
    rows = torch.arange(len(place), device=place.device).view(-1, 1, 1)
    return logits[rows, place.unsqueeze(-1), tokens]


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
