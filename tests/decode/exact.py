"""Exact scores of every leaf by teacher forcing: the oracle beam search is held against.

Enters: prompts, a trie, filters, a Hugging Face causal LM. Leaves: the score of every leaf. Each
leaf's path is a sequence of its own behind its prompt, with the model's ordinary causal mask: no
tree, no pruning, no skipped step. The rule of scores is in ``policy``.

It costs a forward pass for each leaf. Where an exact ranking is wanted for its own sake, ask
``beam_search`` for as many beams as there are leaves: it shares prefixes, and gives the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.fusion import LogitFusion
from genrec.decode.policy import Policy, PrefixBias


@torch.inference_mode()
def exact_scores(
    model: nn.Module,
    input_ids: Tensor,
    attention_mask: Tensor,
    trie: DeviceTrie,
    constraint: Constraint | None = None,
    batch_size: int = 256,
    fusion: LogitFusion | None = None,
    bias: PrefixBias | None = None,
) -> Tensor:
    """Score every leaf for every row.

    Args:
        model: Causal LM in evaluation mode.
        input_ids: PrefillCache, padded on the left. Shape: (B, T).
        attention_mask: 1 at tokens, 0 at padding. Shape: (B, T).
        trie: On the model's device.
        constraint: Of B rows.
        batch_size: Sequences in a forward pass.
        fusion: A second model's scores, built under the same constraint.
        bias: What is added to the odds of some nodes, of B rows.

    Returns:
        Summed log-probabilities in nats, -inf for leaves a row's filters forbid.
        Shape: (B, num_leaves), float32.
    """
    num_rows, prompt_length = input_ids.shape
    places = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
    prompt = model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        position_ids=places,
        past_key_values=DynamicCache(),
        use_cache=True,
        logits_to_keep=1,
    )
    scores = []
    leaves = torch.arange(trie.num_leaves, device=trie.leaf_at.device)
    for lineage in trie.lineage(leaves).split(max(batch_size // num_rows, 1)):
        num_leaves = len(lineage)
        paths = trie.tokens[lineage[:, 1:]].long()
        logits = prompt.logits.unsqueeze(1).expand(-1, num_leaves, -1, -1)
        if trie.num_levels > 1:
            forced = paths[:, :-1].repeat(num_rows, 1)
            mask = attention_mask.repeat_interleave(num_leaves, dim=0)
            steps = torch.arange(1, trie.num_levels, device=input_ids.device)
            output = model(
                input_ids=forced,
                attention_mask=torch.cat([mask, torch.ones_like(forced)], dim=1),
                position_ids=places[:, -1:].repeat_interleave(num_leaves, dim=0) + steps,
                past_key_values=_repeated(prompt.past_key_values, num_leaves),
            )
            logits = torch.cat([logits, output.logits.unflatten(0, (num_rows, -1))], dim=2)
        policy = Policy(trie, constraint, fusion, bias)
        scores.append(_score_paths(logits, lineage, paths, policy))
    return torch.cat(scores, dim=1)


def _score_paths(
    logits: Tensor,
    lineage: Tensor,
    paths: Tensor,
    policy: Policy,
) -> Tensor:
    """Sum the log-probability of each token among the allowed children of its node.

    Args:
        logits: Scores before each token. Shape: (B, n, L, V).
        lineage: Nodes from the root to each leaf. Shape: (n, L + 1).
        paths: Tokens. Shape: (n, L).
        policy: Of B rows.

    Returns:
        Shape: (B, n).
    """
    total = torch.zeros(logits.shape[:2], device=logits.device)
    for level in range(policy.trie.num_levels):
        children = policy.expand(lineage[:, level].expand(len(logits), -1))
        logprobs = policy.apply(logits[:, :, level].gather(-1, children.tokens), children)
        taken = children.allowed & (children.tokens == paths[:, level, None])
        total += logprobs.masked_fill(~taken, 0).sum(dim=-1)
        total.masked_fill_(~taken.any(dim=-1), -torch.inf)
    return total


def _repeated(cache: DynamicCache, times: int) -> DynamicCache:
    """Return a cache with every row ``times`` times; the original stays as it is."""
    repeated = DynamicCache()
    for index, (keys, values, *_) in enumerate(cache):
        repeated.update(
            keys.repeat_interleave(times, dim=0), values.repeat_interleave(times, dim=0), index
        )
    return repeated
