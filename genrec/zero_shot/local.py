"""A local chat model: any Hugging Face causal LM with a chat template.

The chat is read once: its keys and values are cached, and the points where options diverge continue
it as one batch.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from genrec.devices import choose_device
from genrec.errors import ConfigError
from genrec.model.pretrained import load_pretrained
from genrec.zero_shot.chat import Chat, ChatError, ResponseFormat
from genrec.zero_shot.constrained import Grammars
from genrec.zero_shot.option_tree import OptionTree, Tokens
from genrec.zero_shot.usage import Usage

BATCH_SIZE = 64
"""Continuations of a chat in one batch; each holds a copy of the chat's keys and values."""


class LocalChat:
    """Runs a causal LM on one device."""

    can_score = True

    def __init__(self, name: str, device: str | None = None, dtype: str = "auto") -> None:
        """Load the model and its tokenizer.

        Args:
            name: "smollm2", a .gguf file, a folder, or a Hugging Face name.
            device: Such as "cpu" or "cuda"; None: a GPU if available.
            dtype: Of the weights.

        Raises:
            ConfigError: The model cannot be loaded or has no chat template.
        """
        self.name = name
        self.usage = Usage()
        self._device = choose_device(device)
        model, self._tokenizer = load_pretrained(name, dtype)
        if not self._tokenizer.chat_template:
            raise ConfigError(
                f"'{name}' has no chat template, so it is not a chat model; choose an "
                "instruct model"
            )
        self._model = model.to(self._device).eval()
        max_positions = getattr(model.config, "max_position_embeddings", None)
        self._context = int(max_positions or self._tokenizer.model_max_length)
        # Chats are measured before they are cut; no warning is needed.
        self._tokenizer.model_max_length = 1 << 60

    async def context_tokens(self) -> int:
        """See ``ChatModel``."""
        return self._context

    async def count_tokens(self, chat: Chat) -> int:
        """See ``ChatModel``."""
        return len(self._tokenize(chat))

    async def write(
        self, chat: Chat, max_tokens: int, response_format: ResponseFormat | None = None
    ) -> str:
        """See ``ChatModel``; JSON is held to its grammar, a list of given strings to a trie."""
        tokens, written = self._tokenize(chat), list[int]()
        if response_format is not None:
            if response_format.choices is not None:
                return self._write_list(tokens, *response_format.choices)
            return self._write_json(tokens, response_format.grammar, max_tokens)
        cache = self._new_cache()
        unread: list[int] = tokens
        while len(written) < max_tokens:
            token = int(self._next(unread, cache).argmax())
            if token in self._ends:
                break
            written.append(token)
            unread = [token]
        self._count(len(tokens), len(written))
        return str(self._tokenizer.decode(written, skip_special_tokens=True))

    async def choose(self, chat: Chat, options: Sequence[str]) -> str:
        """See ``ChatModel``."""
        tree = self._tree(options)
        tokens = self._tokenize(chat)
        written = self._follow(tokens, self._new_cache(), tree)[0]
        self._count(len(tokens), len(written))
        return options[tree.options.index(written)]

    @torch.inference_mode()
    async def score(self, chat: Chat, options: Sequence[str]) -> np.ndarray:
        """See ``ChatModel``."""
        tree = self._tree(options)
        tokens = self._tokenize(chat)
        cache = self._new_cache()
        first = self._next(tokens, cache).log_softmax(dim=-1)
        log_probs: dict[Tokens, dict[int, float]] = {}
        if () in tree.children:
            log_probs[()] = _pick(first, tree.children[()])
        deeper = [node for node in tree.children if node]
        # Reading a path to its last branching point also scores the earlier ones.
        paths = [
            node
            for node in deeper
            if not any(len(other) > len(node) and other[: len(node)] == node for other in deeper)
        ]
        for start in range(0, len(paths), BATCH_SIZE):
            batch = paths[start : start + BATCH_SIZE]
            rows = self._continue(cache, len(tokens), batch)
            for path, row in zip(batch, rows, strict=True):
                for length in range(1, len(path) + 1):
                    node = path[:length]
                    if node in tree.children:
                        log_probs[node] = _pick(row[length - 1], tree.children[node])
        self._count(len(tokens), sum(map(len, paths)))
        return tree.score(log_probs)

    async def ping(self) -> None:
        """See ``ChatModel``; a local model is always reachable."""

    async def close(self) -> None:
        """Release the weights."""
        self._model = None

    @cached_property
    def _ends(self) -> set[int]:
        """Tokens that end an answer."""
        configured = self._model.generation_config.eos_token_id
        ends = configured if isinstance(configured, list) else [configured]
        own = (int(self._tokenizer.eos_token_id), self._end_of_turn)
        return {token for token in (*ends, *own) if token is not None}

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self._tokenizer, self._model.config.vocab_size, self._ends)

    @cached_property
    def _end_of_turn(self) -> int:
        """The token that the template puts after an answer."""
        mark = self._plain("x")
        chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]
        tokens = self._template(chat, add_generation_prompt=False)
        last = len(tokens) - 1 - tokens[::-1].index(mark[-1])
        after = tokens[last + 1 : last + 2]
        return after[0] if after else int(self._tokenizer.eos_token_id)

    def _new_cache(self) -> DynamicCache:
        """Return an empty cache that matches the model's layers."""
        return DynamicCache(config=self._model.config)

    def _tokenize(self, chat: Chat) -> list[int]:
        return self._template(list(chat), add_generation_prompt=True)

    def _template(self, chat: Sequence[Any], add_generation_prompt: bool) -> list[int]:
        encoded = self._tokenizer.apply_chat_template(
            list(chat),
            tokenize=True,
            add_generation_prompt=add_generation_prompt,
            return_dict=True,
            # Used by templates of reasoning models; others ignore it.
            enable_thinking=False,
        )
        return list(encoded["input_ids"])

    def _plain(self, text: str) -> list[int]:
        result: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return result

    def _tree(self, options: Sequence[str]) -> OptionTree:
        return OptionTree.build([[*self._plain(option), self._end_of_turn] for option in options])

    @torch.inference_mode()
    def _next(self, unread: Sequence[int], cache: DynamicCache) -> Tensor:
        """Read tokens and return the logits of the next one. Shape: (V,)."""
        output = self._model(
            input_ids=torch.tensor([unread], device=self._device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        result: Tensor = output.logits[0, -1].float()
        return result

    def _continue(self, cache: DynamicCache, length: int, paths: Sequence[Tokens]) -> Tensor:
        """Return log-probabilities after each token of each path. Shape: (paths, longest, V)."""
        width = max(map(len, paths))
        rows = torch.zeros((len(paths), width), dtype=torch.long, device=self._device)
        for row, path in zip(rows, paths, strict=True):
            row[: len(path)] = torch.tensor(path)
        shared = copy.deepcopy(cache)
        shared.batch_repeat_interleave(len(paths))
        positions = torch.arange(length, length + width, device=self._device)
        output = self._model(
            input_ids=rows,
            position_ids=positions.expand(len(paths), width),
            past_key_values=shared,
            use_cache=True,
        )
        result: Tensor = output.logits.float().log_softmax(dim=-1)
        return result

    @torch.inference_mode()
    def _follow(
        self, unread: Sequence[int], cache: DynamicCache, tree: OptionTree
    ) -> tuple[Tokens, list[int]]:
        """Write an option greedily; return it and those of its tokens not read yet."""
        written: Tokens = ()
        waiting = list(unread)
        while allowed := tree.following(written):
            token = allowed[0]
            if len(allowed) > 1:
                scores = self._next(waiting, cache)
                token = allowed[int(scores[list(allowed)].argmax())]
                waiting = []
            written = (*written, token)
            waiting.append(token)
        return written, waiting

    def _write_list(
        self, tokens: list[int], key: str, options: Sequence[str], max_entries: int
    ) -> str:
        """Write ``{"key": ["option", ...]}`` without repeating an option."""
        opening = self._plain(f'{{"{key}": ["')
        between = self._plain('", "')
        remaining = {(*self._plain(option), *between): option for option in options}
        cache, waiting, chosen = self._new_cache(), [*tokens, *opening], list[str]()
        while remaining and len(chosen) < max_entries:
            written, waiting = self._follow(waiting, cache, OptionTree.build(list(remaining)))
            chosen.append(remaining.pop(written))
        self._count(len(tokens), len(self._plain(json.dumps(chosen))))
        return json.dumps({key: chosen}, ensure_ascii=False)

    def _write_json(self, tokens: list[int], grammar: str, max_tokens: int) -> str:
        """Write a text of a grammar; it is ended early where there is no more room."""
        text = self._grammars.begin(grammar)
        ending = text.ending(max_tokens)
        if ending is None:
            self.usage.failures["length"] += 1
            raise ChatError("length", f"no answer has as few as {max_tokens} tokens")
        cache, waiting, written = self._new_cache(), list(tokens), list[int]()
        while not text.is_whole:
            following = text.forced()
            if not following:
                scores = self._next(waiting, cache).cpu().numpy()
                waiting = []
                following = [int(np.where(text.allowed(), scores, -np.inf).argmax())]
            if following[0] in self._ends:
                break
            text.take(following)
            room = max_tokens - len(written) - len(following)
            ending_after = text.ending(room) if room >= 0 else None
            if ending_after is None:
                written += ending
                break
            ending = ending_after
            written += following
            waiting += following
        self._count(len(tokens), len(written))
        return str(self._tokenizer.decode(written, skip_special_tokens=True))

    def _count(self, prompt_tokens: int, answer_tokens: int) -> None:
        self.usage.sent += 1
        self.usage.prompt_tokens += prompt_tokens
        self.usage.answer_tokens += answer_tokens


def _pick(log_probs: Tensor, tokens: Sequence[int]) -> dict[int, float]:
    picked = log_probs[torch.tensor(tokens, device=log_probs.device)]
    return dict(zip(tokens, picked.tolist(), strict=True))
