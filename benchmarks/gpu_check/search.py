"""How fast is the search? Users a second by users and beams, and ``generate`` beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.decode_speed import allowed_tokens, generate
from benchmarks.gpu_check.machine import free_memory, peak_gib, times_of
from benchmarks.gpu_check.world import PAD, Size, World, build_model
from genrec.decode.policy import Policy
from genrec.decode.search import beam_search, run_search
from genrec.decode.tree import PrefillCache
from genrec.engines.read_prompts import OwnPrompt, PromptReader

NUM_ITEMS = 12_000
EVENT_TOKENS = 12
"""Of a new event of a user who was here before."""
CACHE_BYTES = 2**30
MOST_RUNS = 12


class Searches:
    """A model in bfloat16, prompts, and searches after them."""

    def __init__(self, size: Size, prompt_tokens: int, device: str, most_s: float) -> None:
        self._device, self._most_s, self._prompt_tokens = device, most_s, prompt_tokens
        self._world = World(size.vocab_size, NUM_ITEMS)
        self._model: Any = build_model(size, device, torch.bfloat16).eval()
        self._trie = self._world.trie.to(device)
        self._allowed = allowed_tokens(self._world.paths)

    def ours(self, users: int, beams: int) -> dict[str, Any]:
        """Search after prompts that are read from nothing."""
        prompts = self._world.prompts(users, self._prompt_tokens).to(self._device)
        mask = torch.ones_like(prompts)

        @torch.inference_mode()
        def search() -> None:
            self._search(PrefillCache(self._model, prompts, mask, self._trie), users, beams)

        return self._time(search, users)

    def returning_user(self, beams: int) -> dict[str, Any]:
        """Search for one user after another event each time; the prompt before it is kept."""
        begun = self._world.prompts(1, self._prompt_tokens - EVENT_TOKENS)[0].tolist()
        events = iter(self._world.prompts(2 * MOST_RUNS, EVENT_TOKENS).tolist())
        reader = PromptReader(PAD, torch.device(self._device), CACHE_BYTES)

        @torch.inference_mode()
        def search() -> None:
            prompt = OwnPrompt((*begun, *next(events)), "user")
            self._search(reader.read(self._model, "weights", self._trie, [prompt]), 1, beams)

        search()
        return self._time(search, 1)

    def by_generate(self, users: int, beams: int) -> dict[str, Any]:
        """Do the same by transformers, with a function that names the tokens allowed."""
        prompts = self._world.prompts(users, self._prompt_tokens).to(self._device)
        mask = torch.ones_like(prompts)
        return self._time(
            lambda: generate(self._model, prompts, mask, self._allowed, beams), users, most=2
        )

    def _search(self, read: PrefillCache, users: int, beams: int) -> None:
        run_search(beam_search(Policy(self._trie), users, beams), read).leaves.cpu()

    def _time(self, run: Callable[[], object], users: int, most: int = MOST_RUNS) -> dict[str, Any]:
        free_memory(self._device)
        times = sorted(times_of(run, self._device, self._most_s, most))
        return {
            "users_per_s": round(users / times[0], 2),
            "median_ms": round(1e3 * times[len(times) // 2], 1),
            "peak_gib": peak_gib(self._device),
        }
