"""The torch side of the search: prompts that a causal LM has read, and scores of what may follow.

Enters: prompts, a policy, a Hugging Face causal LM. Leaves: the best leaves of each row. Must not
know what a leaf stands for, nor how a prompt came about.

Each prompt is read once, and prompts that begin alike may share the beginning. From then on all
beams of a row are *sibling tokens in that same row*: their keys and values are appended to the
row's cache, siblings share a position, and a mask lets each see the prompt and its own ancestors
only. Nothing is copied or reordered for a beam, and any decoder with rotary positions does it
through its plain ``forward``.

Where a node has only one child that the model scores, the model is not run; the token waits until a
descendant has a choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.grouped_attention import GROUPED, SDPA
from genrec.decode.policy import Policy
from genrec.decode.roomy_cache import RoomyCache
from genrec.decode.search import Step, StepScorer, run_search, score_leaves
from genrec.errors import DecodeError
from genrec.linear import linear

LEAVES_AT_ONCE = 64
NOT_CACHED = -1


class PrefillCache:
    """A batch of prompts, read once: a ``StepScorer`` of any number of searches, one by one.

    Attributes:
        logits: Scores of the trie's tokens after each prompt. Shape: (B, 1, R).
    """

    def __init__(
        self,
        model: nn.Module,
        input_ids: Tensor,
        attention_mask: Tensor,
        trie: DeviceTrie,
        cache: DynamicCache | None = None,
    ) -> None:
        """Run prompts through the model.

        Args:
            model: Causal LM in evaluation mode, PEFT-wrapped or not.
            input_ids: What of each prompt the cache does not hold, padded on either side.
                Shape: (B, T).
            attention_mask: 1 at tokens, 0 at padding; each row holds a token. With a cache, of its
                columns too, and padded on the left. Shape: (B, T), or (B, columns + T).
            trie: What may follow.
            cache: Beginnings of the prompts, already run; taken over.

        Raises:
            DecodeError: The model cannot decode a tree of siblings.
            ValueError: The trie is of another vocabulary, or a row without a token.
        """
        mask = attention_mask.bool()
        if cache is None:
            if not mask.any(dim=1).all():
                raise ValueError("every row needs at least one token")
            # Padding moves to the front of its row; columns that hold nothing else are dropped.
            order = mask.int().sort(dim=1, stable=True).indices[:, -int(mask.sum(dim=1).max()) :]
            input_ids, mask = input_ids.gather(1, order), mask.gather(1, order)
        check_model(model, mask.shape[1] + trie.num_levels)
        config: Any = model.config
        largest, known = len(trie.column_of) - 1, config.get_text_config().vocab_size
        if largest >= known:
            raise ValueError(
                f"the trie holds token {largest}, the model knows {known}; it was built for "
                "another vocabulary"
            )
        self._model, self._mask, self._trie = model, mask, trie
        self._cache = RoomyCache() if cache is None else cache
        self._lengths = mask.sum(dim=1)
        # Columns of the cache that siblings take, the same for all rows.
        self._num_siblings = 0
        # Cache column of each token of each beam. Shape: (B, M, level).
        self._columns = mask.new_zeros((len(mask), 1, 0), dtype=torch.int64)
        with logits_of(model, trie.vocabulary):
            self.logits: Tensor = model(
                input_ids=input_ids,
                attention_mask=mask.long(),
                position_ids=(mask.cumsum(dim=1) - 1).clamp(min=0)[:, -input_ids.shape[1] :],
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits

    @classmethod
    def join(cls, parts: Sequence[PrefillCache], order: Tensor) -> PrefillCache:
        """Put batches that were read apart into one, to be searched together.

        Args:
            parts: Of one model and trie, none of them searched yet.
            order: Which of all their rows comes first, second, and so on. Shape: (B,).
        """
        first = parts[0]
        joined = copy(first)
        width = max(part._mask.shape[1] for part in parts)
        places = order.argsort().split([len(part._mask) for part in parts])

        def gather(rows: Sequence[Tensor], dim: int) -> Tensor:
            """Put rows of all parts in order, padded on the left of a dimension, -1 the last."""
            shape = [len(order), *rows[0].shape[1:]]
            shape[dim] = width
            # Under autocast values are rounded and keys are not, until both are kept side by side.
            dtype = reduce(torch.promote_types, [row.dtype for row in rows])
            whole = rows[0].new_zeros(shape, dtype=dtype)
            for row, place in zip(rows, places, strict=True):
                length = row.shape[dim]
                whole.narrow(dim, width - length, length).index_copy_(0, place, row.to(dtype))
            return whole

        joined._mask = gather([part._mask for part in parts], -1)
        joined._lengths = joined._mask.sum(dim=1)
        joined._columns = joined._mask.new_zeros((len(order), 1, 0), dtype=torch.int64)
        joined.logits = torch.cat([part.logits for part in parts])[order]
        joined._cache = RoomyCache()
        for layer, layers in enumerate(zip(*(part._cache for part in parts), strict=True)):
            keys, values = (gather([one[kind] for one in layers], -2) for kind in (0, 1))
            joined._cache.update(keys, values, layer)
        return joined

    @property
    def keys_and_values(self) -> DynamicCache:
        """Those of the prompts, and of what was searched since.

        Who continues them, as a text does, must not search any more.
        """
        return self._cache

    def fork(self, shared: Tensor, input_ids: Tensor, attention_mask: Tensor) -> PrefillCache:
        """Read prompts that begin as this one, a single row, does; the beginning is not run again.

        Args:
            shared: First tokens that each takes from here, at least one. Shape: (B,).
            input_ids: The rest of each, at least one token, padded on the left. Shape: (B, S).
            attention_mask: Of the rest. Shape: (B, S).
        """
        width = int(shared.max())
        cache = RoomyCache()
        for layer, (keys, values, *_) in enumerate(self._cache):
            begun = (part[:, :, :width].expand(len(shared), -1, -1, -1) for part in (keys, values))
            cache.update(*begun, layer)
        taken = torch.arange(width, device=shared.device) < shared.unsqueeze(1)
        mask = torch.cat([taken, attention_mask.bool()], dim=1)
        return PrefillCache(self._model, input_ids, mask, self._trie, cache)

    def child_logits(self, step: Step) -> Tensor:
        """See ``StepScorer``."""
        children, depth = step.children, step.paths.shape[-1]
        if depth == 0:
            # A search begins: the siblings of the one before are dropped.
            if self._num_siblings:
                self._cache.crop(-self._num_siblings)
            self._num_siblings = 0
            self._columns = self._columns[:, :1, :0]
        else:
            # Every beam has the columns of its parent, and one for its newest token.
            parents = step.parents.unsqueeze(-1).expand(-1, -1, depth - 1)
            new = torch.full_like(step.parents, NOT_CACHED).unsqueeze(-1)
            self._columns = torch.cat([self._columns.gather(1, parents), new], dim=-1)
        if not children.has_choice.any():
            return torch.zeros(children.tokens.shape, device=children.tokens.device)
        if depth == 0:
            logits, index = self.logits, torch.zeros_like(step.parents)
        else:
            logits, index = self._run(step)
        rows = torch.arange(len(index), device=index.device).view(-1, 1, 1)
        return logits[rows, index.unsqueeze(-1), self._trie.column_of[children.tokens]]

    def _run(self, step: Step) -> tuple[Tensor, Tensor]:
        """Run the waiting tokens of the beams that have a choice.

        A token that waited has one descendant, so nothing is ever run twice.

        Returns:
            Logits after all tokens run, and which of them is each beam's last.
            Shapes: (B, Q, R), (B, M).
        """
        depth, prompt = step.paths.shape[-1], self._mask.shape[1]
        before = prompt + self._num_siblings
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
        # The last column takes what stands for no ancestor and is cut off.
        total = before + num_new
        visible = ancestors.new_zeros((*order.shape, total + 1), dtype=torch.bool)
        visible[..., :prompt] = self._mask.unsqueeze(1)
        visible.scatter_(2, torch.where(ancestors < 0, total, ancestors), True)
        self._num_siblings += num_new
        with logits_of(self._model, self._trie.vocabulary):
            logits: Tensor = self._model(
                input_ids=step.paths.flatten(1).gather(1, order),
                attention_mask=visible[..., :total].unsqueeze(1),
                position_ids=self._lengths.unsqueeze(1) + depths,
                past_key_values=self._cache,
                use_cache=True,
            ).logits
        return logits, (self._columns[..., -1] - before).clamp(min=0)


@torch.inference_mode()
def score_after(prompts: StepScorer, policy: Policy, leaves: Tensor) -> Tensor:
    """Score some leaves after prompts that were read; see ``score_leaves``.

    To score most leaves of a trie, search with as many beams: that shares prefixes.

    Args:
        prompts: Of B rows.
        policy: Of B rows, on the model's device.
        leaves: Shape: (B, R).

    Returns:
        Shape: (B, R), float32.
    """
    parts = leaves.split(LEAVES_AT_ONCE, dim=1)
    return torch.cat([run_search(score_leaves(policy, part), prompts) for part in parts], dim=1)


@contextmanager
def logits_of(model: Any, tokens: Tensor) -> Iterator[None]:
    """Let a model score some tokens only; no other thread may run it meanwhile.

    A pretrained vocabulary has 50,000 to 150,000 tokens, of which a step of a search can use some
    hundred; scores of the others would cost as much as several layers, and more memory than all
    else. The model is asked by its own ``forward``, so whatever wraps it (an adapter, shards of its
    weights) and whatever it does with its logits (such as capping them) stays as it is.

    Args:
        model: Causal LM, wrapped or not, with ``get_output_embeddings``.
        tokens: Its logits have the shape (..., N) meanwhile, in their order. Shape: (N,).
    """
    head: Any = model.get_output_embeddings()
    # Hooks of others put their ``forward`` into the instance too.
    before = vars(head).get("forward")

    def forward(hidden: Tensor) -> Tensor:
        # In float32 always: rounded to half precision, the scores of many items would be the same.
        weight = head.weight[tokens].float()
        bias = None if head.bias is None else head.bias[tokens].float()
        return linear(hidden.float(), weight, bias)

    head.forward = forward
    try:
        yield
    finally:
        del head.forward
        if before is not None:
            head.forward = before


def check_model(model: nn.Module, num_tokens: int) -> None:
    """Refuse models in which siblings would not see what their own sequence would.

    Raises:
        DecodeError: Naming what stands in the way.
    """
    config: Any = model.config
    config = config.get_text_config()
    if model.training:
        raise DecodeError("the model is in training mode and would drop units; call model.eval()")
    if config._attn_implementation not in (SDPA, GROUPED):
        raise DecodeError(
            f"attention '{config._attn_implementation}' takes no tree mask; load the model with "
            "attn_implementation='sdpa'"
        )
    kinds = set(getattr(config, "layer_types", None) or ())
    if strange := kinds - {"full_attention", "sliding_attention"}:
        raise DecodeError(f"layers of kind {sorted(strange)} cannot hold sibling tokens")
    window = getattr(config, "sliding_window", None)
    if window is not None and kinds != {"full_attention"} and num_tokens > window:
        raise DecodeError(
            f"prompt and path take {num_tokens} tokens, the model's window is {window}; "
            "shorten the prompt"
        )
