"""Prompts read for an engine: what is known of them already is not read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genrec.batching import pack
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.prefix_cache import BLOCK_TOKENS, PrefixCache, chain_keys
from genrec.decode.roomy_cache import ROOM, Layout, Numbers
from genrec.decode.tree import PrefillCache
from genrec.engines.merge_prefixes import CALL_TOKENS

CPU_TOKENS = 2048
"""Of a call on a processor, whose caches hold no more: 64 prompts of 90 tokens of a model of 3.4
million parameters take 1.4 times as long in one call as in three. Elsewhere calls are what is dear.
"""


class OwnPrompt(NamedTuple):
    """A prompt and whose it is: what is kept of it goes when he is forgotten."""

    tokens: tuple[int, ...]
    owner: str


class _Row(NamedTuple):
    """A prompt with what is known of it.

    Attributes:
        number: Its place among all.
        keys: Of its blocks.
        known: Keys and values of the first ones.
        rest: The tokens behind these.
        owner: Whose it is.
    """

    number: int
    keys: list[bytes]
    known: list[Numbers]
    rest: tuple[int, ...]
    owner: str


class PromptReader:
    """Reads prompts; within a budget it keeps what it read."""

    def __init__(self, pad_id: int, device: torch.device, budget_bytes: int = 0) -> None:
        """Start with nothing known.

        Args:
            pad_id: Fills rows.
            device: Of the model.
            budget_bytes: Most that is kept; 0: nothing.
        """
        self._pad_id, self._device = pad_id, device
        self._layout: Layout | None = None
        self.cache = PrefixCache(budget_bytes) if budget_bytes else None

    def read(
        self, model: Any, version: str, trie: DeviceTrie, prompts: Sequence[OwnPrompt]
    ) -> PrefillCache:
        """Return a batch of prompts, read.

        Args:
            model: Causal LM.
            version: Names its weights; equal only where they are.
            trie: What may follow.
            prompts: One for each row.
        """
        rows = [self._look_up(number, version, prompt) for number, prompt in enumerate(prompts)]
        by_rest = sorted(rows, key=lambda row: len(row.rest))
        batches = [sorted(batch, key=lambda row: row.number) for batch in pack(by_rest, self._fits)]
        parts = [self._read_rests(model, trie, batch) for batch in batches]
        if self.cache is not None:
            for batch, part in zip(batches, parts, strict=True):
                self._keep(self.cache, batch, part)
        if len(parts) == 1:
            return parts[0]
        order = torch.tensor([row.number for batch in batches for row in batch]).argsort()
        return PrefillCache.join(parts, order.to(self._device))

    def pad(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Lay prompts out, padded on the left, and mark their tokens. Shape of each: (B, T)."""
        width = max(len(prompt) for prompt in prompts)
        input_ids = torch.full((len(prompts), width), self._pad_id, dtype=torch.long)
        attention_mask = torch.zeros_like(input_ids)
        for row, prompt in enumerate(prompts):
            input_ids[row, width - len(prompt) :] = torch.as_tensor(prompt)
            attention_mask[row, width - len(prompt) :] = 1
        return input_ids.to(self._device), attention_mask.to(self._device)

    def _fits(self, batch: list[_Row]) -> bool:
        """Whether rows of ascending rests are read in one call."""
        if self._device.type != "cpu":
            return True
        width = len(batch[-1].rest)
        padding = sum(width - len(row.rest) for row in batch)
        return padding <= CALL_TOKENS and width * len(batch) <= CPU_TOKENS

    def _look_up(self, number: int, version: str, prompt: OwnPrompt) -> _Row:
        if self.cache is None:
            return _Row(number, [], [], prompt.tokens, prompt.owner)
        keys = chain_keys(version, prompt.owner, prompt.tokens)
        known = self.cache.find(keys, len(prompt.tokens))
        return _Row(number, keys, known, prompt.tokens[BLOCK_TOKENS * len(known) :], prompt.owner)

    def _read_rests(self, model: Any, trie: DeviceTrie, rows: Sequence[_Row]) -> PrefillCache:
        """Read rests of like length behind what is known of each."""
        input_ids, mask = self.pad([row.rest for row in rows])
        if self._layout is None or not any(row.known for row in rows):
            return PrefillCache(model, input_ids, mask, trie)
        lengths = torch.tensor([BLOCK_TOKENS * len(row.known) for row in rows])
        columns = int(lengths.max())
        taken = torch.arange(columns) < lengths.unsqueeze(1)
        seen = torch.cat([taken.to(self._device), mask.bool()], dim=1)
        begun = self._layout.read([row.known for row in rows], columns, input_ids.shape[1] + ROOM)
        return PrefillCache(model, input_ids, seen, trie, begun)

    def _keep(self, cache: PrefixCache, rows: Sequence[_Row], read: PrefillCache) -> None:
        """Keep the blocks that a batch filled."""
        width = max(len(row.rest) for row in rows)
        if self._layout is None:
            self._layout = Layout.of(read.keys_and_values)
        # The rests take the last columns, each to their very end.
        numbers = self._layout.write(read.keys_and_values, width)
        for place, row in enumerate(rows):
            own = [part[place, :, width - len(row.rest) :] for part in numbers]
            cache.keep(row.keys[len(row.known) :], own, row.owner)
