"""A chat model behind an OpenAI-compatible URL; uses vLLM's extensions where the server has them.

Every server: chat completions, with ``response_format`` for JSON. vLLM also: its tokenizer and
context length, ``choice``, and log-probabilities of given tokens. There a prompt is read once for
all candidates: one request asks about every point where their titles diverge, and the server's
prefix cache holds the shared part.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from genrec.errors import ConfigError, EngineUnavailable
from genrec.zero_shot.cache import AnswerCache
from genrec.zero_shot.chat import Chat, ChatError, ResponseFormat
from genrec.zero_shot.client import Client
from genrec.zero_shot.config import ZeroShotConfig
from genrec.zero_shot.option_tree import OptionTree, Tokens
from genrec.zero_shot.usage import Usage

API_KEY_VARIABLE = "OPENAI_API_KEY"
MAX_SCORED_TOKENS = 128
"""Most tokens whose log-probabilities vLLM returns at one position."""
BYTES_PER_TOKEN = 3
"""Estimate for servers that do not count; below the usual four, so that prompts are cut early."""
DEFAULT_CONTEXT = 8192
TEMPLATE_TOKENS = 16
MAX_CACHED_CHATS = 4096
NO_THINKING = {"enable_thinking": False}


class EndpointChat:
    """One model of one server."""

    def __init__(
        self,
        url: str,
        config: ZeroShotConfig | None = None,
        model: str | None = None,
        api_key: str | None = None,
    ) -> None:
        """Prepare the client; ``connect`` finds out what the server can do.

        Args:
            url: With or without a trailing "/v1".
            config: Retries, cache, prices, and the context length if the server reports none.
            model: Its name on the server; None: the first one served.
            api_key: Bearer token; None: the variable OPENAI_API_KEY.
        """
        config = config or ZeroShotConfig()
        self.usage = Usage(config.prompt_price, config.answer_price)
        self.name = model or ""
        self.can_score = False
        self._cache = None if config.cache is None else AnswerCache(config.cache)
        base = url.rstrip("/").removesuffix("/v1")
        key = api_key or os.environ.get(API_KEY_VARIABLE)
        self._client = Client(base, self.usage, config, key, self._cache)
        self._context = config.context_tokens
        self._option_tokens: dict[str, list[int]] = {}
        self._chat_tokens: dict[str, list[int]] = {}
        self._end_of_turn: list[int] = []
        self._is_vllm = False

    async def connect(self) -> EndpointChat:
        """Find out the model's name and what the server can do.

        Raises:
            ConfigError: The server rejects the key, or serves no such model.
            EngineUnavailable: It does not answer.
        """
        url = self._client.url
        try:
            listed = await self._client.probe("/v1/models")
            models = listed.get("data") if isinstance(listed, dict) else None
            served = {str(model["id"]): model for model in models or [] if isinstance(model, dict)}
            if not self.name:
                if not served:
                    raise ConfigError(f"{url} does not list its models; name one")
                self.name = next(iter(served))
            elif served and self.name not in served:
                raise ConfigError(f"{url} serves no model '{self.name}', but {', '.join(served)}")
            details = served.get(self.name, {})
            if self._context is None and isinstance(details.get("max_model_len"), int):
                self._context = details["max_model_len"]
            if details.get("owned_by") == "vllm":
                await self._detect_vllm()
        except ChatError as error:
            raise EngineUnavailable(
                f"{url} does not answer ({error}); is an OpenAI-compatible server running there?"
            ) from None
        return self

    async def context_tokens(self) -> int:
        """See ``ChatModel``."""
        return self._context or DEFAULT_CONTEXT

    async def count_tokens(self, chat: Chat) -> int:
        """See ``ChatModel``; counted by the server if it can, else estimated from the bytes."""
        if self._is_vllm:
            return len(await self._tokenize(chat))
        texts = sum(len(message["content"].encode()) for message in chat)
        return texts // BYTES_PER_TOKEN + TEMPLATE_TOKENS * (len(chat) + 1)

    async def write(
        self, chat: Chat, max_tokens: int, response_format: ResponseFormat | None = None
    ) -> str:
        """See ``ChatModel``."""
        extra: dict[str, Any] = {}
        if response_format is not None and self._is_vllm:
            extra["structured_outputs"] = {"grammar": response_format.grammar}
        elif response_format is not None:
            schema = {
                "name": response_format.name,
                "schema": response_format.schema,
                "strict": True,
            }
            extra["response_format"] = {"type": "json_schema", "json_schema": schema}
        return await self._complete(chat, max_tokens, extra)

    async def choose(self, chat: Chat, options: Sequence[str]) -> str:
        """See ``ChatModel``; a server without ``choice`` answers freely."""
        longest = max(len(option.encode()) for option in options) + 16
        extra = {"structured_outputs": {"choice": list(options)}} if self._is_vllm else {}
        text = (await self._complete(chat, longest, extra)).strip().strip('"')
        if text not in options:
            self.usage.failures["not an option"] += 1
            raise ChatError("not an option", text[:80])
        return text

    async def score(self, chat: Chat, options: Sequence[str]) -> np.ndarray:
        """See ``ChatModel``; only where ``can_score``."""
        prompt, tree = await self._tokenize(chat), await self._tree(options)
        log_probs: dict[Tokens, dict[int, float]] = {}
        for nodes, tokens in _in_groups(tree):
            body = self._score_body([[*prompt, *node] for node in nodes], tokens)
            parse = _log_probs_parser(tokens, len(nodes))
            found = await self._client.ask("/v1/completions", body, parse)
            for node, by_token in zip(nodes, found, strict=True):
                log_probs[node] = {child: by_token[child] for child in tree.children[node]}
        return tree.score(log_probs)

    async def ping(self) -> None:
        """See ``ChatModel``."""
        await self._client.ping("/v1/models")

    async def close(self) -> None:
        """See ``ChatModel``."""
        await self._client.close()
        if self._cache is not None:
            self._cache.close()

    async def _detect_vllm(self) -> None:
        """Try what only vLLM offers."""
        chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]
        answered = await self._client.probe("/tokenize", self._chat_body(chat, False))
        mark = await self._client.probe("/tokenize", self._text_body("x"))
        if not (isinstance(answered, dict) and isinstance(mark, dict)):
            return
        tokens, x = answered["tokens"], mark["tokens"][-1]
        last = len(tokens) - 1 - tokens[::-1].index(x)
        self._end_of_turn = tokens[last + 1 : last + 2]
        self._context = min(self._context or answered["max_model_len"], answered["max_model_len"])
        self._is_vllm = True
        scored = await self._client.probe("/v1/completions", self._score_body([[x]], [x]))
        try:
            self.can_score = bool(self._end_of_turn) and bool(_log_probs_parser([x], 1)(scored))
        except (KeyError, TypeError, ValueError, IndexError):
            self.can_score = False

    async def _complete(self, chat: Chat, max_tokens: int, extra: dict[str, Any]) -> str:
        body = {
            "model": self.name,
            "messages": list(chat),
            "max_tokens": max_tokens,
            "temperature": 0,
            **extra,
        }
        if self._is_vllm:
            body["chat_template_kwargs"] = NO_THINKING
        return await self._client.ask("/v1/chat/completions", body, _parse_text)

    async def _tokenize(self, chat: Chat) -> list[int]:
        """Return the chat's tokens, as the server's template renders it."""
        key = "\0".join(f"{message['role']}\1{message['content']}" for message in chat)
        if key not in self._chat_tokens:
            body = self._chat_body(chat, True)
            tokens = await self._client.ask("/tokenize", body, _parse_tokens)
            # Every order of every user is another chat; only recent ones are asked about again.
            while len(self._chat_tokens) > MAX_CACHED_CHATS:
                self._chat_tokens.pop(next(iter(self._chat_tokens)))
            self._chat_tokens[key] = tokens
        return self._chat_tokens[key]

    async def _tree(self, options: Sequence[str]) -> OptionTree:
        missing = [option for option in options if option not in self._option_tokens]
        bodies = map(self._text_body, missing)
        asked = (self._client.ask("/tokenize", body, _parse_tokens) for body in bodies)
        self._option_tokens.update(zip(missing, await asyncio.gather(*asked), strict=True))
        return OptionTree.build(
            [[*self._option_tokens[option], *self._end_of_turn] for option in options]
        )

    def _score_body(
        self, prompts: Sequence[Sequence[int]], tokens: Sequence[int]
    ) -> dict[str, Any]:
        return {
            "model": self.name,
            "prompt": [list(prompt) for prompt in prompts],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 1,
            "logprob_token_ids": list(tokens),
            "return_tokens_as_token_ids": True,
        }

    def _chat_body(self, chat: Sequence[Any], opens_answer: bool) -> dict[str, Any]:
        return {
            "model": self.name,
            "messages": list(chat),
            "add_generation_prompt": opens_answer,
            "chat_template_kwargs": NO_THINKING,
        }

    def _text_body(self, text: str) -> dict[str, Any]:
        return {"model": self.name, "prompt": text, "add_special_tokens": False}


def _in_groups(tree: OptionTree) -> list[tuple[list[Tokens], list[int]]]:
    """Group the branching points so that each group's children can be scored in one request."""
    groups: list[tuple[list[Tokens], dict[int, None]]] = []
    for node, children in tree.children.items():
        for nodes, tokens in groups:
            joined = {**tokens, **dict.fromkeys(children)}
            if len(joined) <= MAX_SCORED_TOKENS:
                nodes.append(node)
                tokens.update(joined)
                break
        else:
            groups.append(([node], dict.fromkeys(children)))
    return [(nodes, list(tokens)) for nodes, tokens in groups]


def _parse_tokens(content: Any) -> list[int]:
    return [int(token) for token in content["tokens"]]


def _parse_text(content: Any) -> str:
    text = content["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise ValueError("the content of the message is not text")
    return text


def _log_probs_parser(
    tokens: Sequence[int], num_prompts: int
) -> Callable[[Any], list[dict[int, float]]]:
    """Return a parser of the log-probabilities of some tokens right after each prompt."""

    def parse(content: Any) -> list[dict[int, float]]:
        choices = sorted(content["choices"], key=lambda choice: choice["index"])
        if len(choices) != num_prompts:
            raise ValueError(f"{len(choices)} answers to {num_prompts} prompts")
        by_prompt = []
        for choice in choices:
            top = choice["logprobs"]["top_logprobs"][0]
            by_token = {int(name.removeprefix("token_id:")): value for name, value in top.items()}
            by_prompt.append({token: float(by_token[token]) for token in tokens})
        return by_prompt

    return parse
