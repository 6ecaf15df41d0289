"""The torch side of the search: a causal LM that scores all beams as siblings in one row.

Enters: prompts, a policy, a Hugging Face causal LM. Leaves: the best leaves of each row. Must not
know what a leaf stands for, nor how a prompt came about.

Each prompt is read once. From then on all beams of a row are *sibling tokens in that same row*:
their keys and values are appended to the row's cache, siblings share a position, and a mask lets
each see the prompt and its own ancestors only. Nothing is copied or reordered for a beam, and any
decoder with rotary positions does it through its plain ``forward``.

Where a node has only one child that the model scores, the model is not run; the token waits until a
descendant has a choice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genrec.decode.device_trie import check_vocabulary
from genrec.decode.policy import Policy
from genrec.decode.prefill import NOT_CACHED, PrefillCache
from genrec.decode.search import Beams, Step, beam_search, run, score_leaves

LEAVES_AT_ONCE = 64


class TreeScorer:
    """A ``StepScorer`` over prompts that a causal LM has read."""

    def __init__(self, prompts: PrefillCache) -> None:
        """Start behind the prompts; whatever was appended to them is dropped."""
        prompts.truncate()
        self._prompts = prompts
        # Cache column of each token of each beam. Shape: (B, M, level).
        self._columns: Tensor | None = None

    def child_logits(self, step: Step) -> Tensor:
        """See ``StepScorer``."""
        children, depth = step.children, step.paths.shape[-1]
        if depth:
            self._advance(step)
        if not children.has_choice.any():
            return torch.zeros(children.tokens.shape, device=children.tokens.device)
        if depth == 0:
            logits, index = self._prompts.logits, torch.zeros_like(step.parents)
        else:
            logits, index = self._run(step)
        rows = torch.arange(len(index), device=index.device).view(-1, 1, 1)
        return logits[rows, index.unsqueeze(-1), children.tokens]

    def _advance(self, step: Step) -> None:
        """Give every beam the columns of its parent, and one for its newest token."""
        new = torch.full_like(step.parents, NOT_CACHED).unsqueeze(-1)
        if self._columns is None:
            self._columns = new
            return
        parents = step.parents.unsqueeze(-1).expand(-1, -1, self._columns.shape[-1])
        self._columns = torch.cat([self._columns.gather(1, parents), new], dim=-1)

    def _run(self, step: Step) -> tuple[Tensor, Tensor]:
        """Run the waiting tokens of the beams that have a choice.

        A token that waited has one descendant, so nothing is ever run twice.

        Returns:
            Logits of all tokens run, and which of them is each beam's last.
            Shapes: (B, Q, V), (B, M).
        """
        assert self._columns is not None
        depth, before = step.paths.shape[-1], self._prompts.num_cached
        beams = step.children.has_choice
        waiting = (beams.unsqueeze(-1) & (self._columns == NOT_CACHED)).flatten(1)
        turn = waiting.cumsum(dim=1) - 1
        columns = torch.where(waiting, before + turn, self._columns.flatten(1))
        self._columns = columns.view_as(self._columns)
        # Which tokens of ``paths`` are run in which turn. Rows with fewer tokens run some others of
        # theirs again; nobody looks at those columns.
        num_new = int(turn.max()) + 1
        order = waiting.int().sort(dim=1, descending=True, stable=True).indices[:, :num_new]
        depths = order % depth
        owners = (order // depth).unsqueeze(-1).expand(-1, -1, depth)
        later = torch.arange(depth, device=order.device) > depths.unsqueeze(-1)
        ancestors = self._columns.gather(1, owners).masked_fill(later, NOT_CACHED)
        tokens = step.paths.flatten(1).gather(1, order)
        logits = self._prompts.append(tokens, depths, ancestors)
        return logits, (self._columns[..., -1] - before).clamp(min=0)


@torch.inference_mode()
def tree_beam_search(
    model: nn.Module, input_ids: Tensor, attention_mask: Tensor, policy: Policy, num_beams: int
) -> Beams:
    """Find the best leaves of each row; see ``beam_search``.

    Args:
        model: Causal LM in evaluation mode, PEFT-wrapped or not.
        input_ids: Prompts, padded on either side. Shape: (B, T).
        attention_mask: 1 at tokens, 0 at padding; each row holds a token. Shape: (B, T).
        policy: Of B rows, on the model's device.
        num_beams: Beams kept at each level and leaves returned.

    Raises:
        DecodeError: The model cannot decode a tree of siblings.
        ValueError: The trie is of a larger vocabulary.
    """
    prompts = PrefillCache.read(model, input_ids, attention_mask, policy.trie.num_levels)
    check_vocabulary(policy.trie, prompts.logits.shape[-1])
    return run(beam_search(policy, len(input_ids), num_beams), TreeScorer(prompts))


@torch.inference_mode()
def score_after(prompts: PrefillCache, policy: Policy, leaves: Tensor) -> Tensor:
    """Score some leaves after prompts that were read; see ``score_leaves``.

    To score most leaves of a trie, search with as many beams: that shares prefixes.

    Args:
        prompts: Of B rows.
        policy: Of B rows, on the model's device.
        leaves: Shape: (B, R).

    Returns:
        Shape: (B, R), float32.

    Raises:
        ValueError: The trie is of a larger vocabulary.
    """
    check_vocabulary(policy.trie, prompts.logits.shape[-1])
    parts = [
        run(score_leaves(policy, part), TreeScorer(prompts))
        for part in leaves.split(LEAVES_AT_ONCE, dim=1)
        if part.shape[1]
    ]
    return torch.cat(parts, dim=1) if parts else torch.zeros(leaves.shape, device=leaves.device)
