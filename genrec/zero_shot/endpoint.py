"""A chat model behind an OpenAI-compatible URL; vLLM's extras are used where they are found.

Every server: chat completions, with ``response_format`` for JSON. vLLM as well: its tokenizer and
context length, ``choice``, and log-probabilities of given tokens. There a prompt is read once for
all candidates: every place where their titles part is asked about in one request, and the server's
prefix cache holds what they share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from genrec.errors import ConfigError
from genrec.zero_shot.cache import AnswerCache
from genrec.zero_shot.chat import Chat, ChatError, ResponseFormat
from genrec.zero_shot.client import Client, RetryPolicy
from genrec.zero_shot.option_tree import OptionTree, Tokens
from genrec.zero_shot.usage import Usage

TOKENS_ASKED = 128
"""Most tokens that vLLM tells the log-probabilities of at one place."""
BYTES_PER_TOKEN = 3
"""Where a server does not count: fewer than the usual four, so that prompts are cut early."""
DEFAULT_CONTEXT = 8192
TEMPLATE_TOKENS = 16


class EndpointChat:
    """Asks one model of one server."""

    def __init__(
        self,
        url: str,
        model: str | None = None,
        api_key: str | None = None,
        policy: RetryPolicy | None = None,
        cache: AnswerCache | None = None,
        context_tokens: int | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Take note of the server; ``connect`` asks it what it can.

        Args:
            url: With or without "/v1" at the end.
            model: Its name there; None: the first one served.
            api_key: Sent as a bearer token.
            policy: How long to try.
            cache: Where answers are kept; None: nowhere.
            context_tokens: Where the server does not tell.
            usage: Counts; None: new ones.
        """
        base = url.rstrip("/").removesuffix("/v1")
        self.usage = usage or Usage()
        self.name = model or ""
        self.can_score = False
        self._client = Client(base, self.usage, policy, api_key, cache)
        self._cache = cache
        self._context = context_tokens
        self._tokens: dict[str, list[int]] = {}
        self._counts: dict[str, list[int]] = {}
        self._end_of_turn: list[int] = []
        self._is_vllm = False

    async def connect(self) -> EndpointChat:
        """Find out the model's name and what the server can.

        Raises:
            ConfigError: It refuses, or serves no such model.
            ChatError: It does not answer.
        """
        listed = await self._client.probe("GET", "/v1/models")
        models = listed.get("data") if isinstance(listed, dict) else None
        served = {str(one["id"]): one for one in models or [] if isinstance(one, dict)}
        if not self.name:
            if not served:
                raise ConfigError(f"{self._client.url} does not list its models; name one")
            self.name = next(iter(served))
        elif served and self.name not in served:
            raise ConfigError(
                f"{self._client.url} serves no model '{self.name}', but {', '.join(served)}"
            )
        about = served.get(self.name, {})
        if self._context is None and isinstance(about.get("max_model_len"), int):
            self._context = about["max_model_len"]
        if about.get("owned_by") == "vllm":
            await self._meet_vllm()
        return self

    async def context_tokens(self) -> int:
        """See ``ChatModel``."""
        return self._context or DEFAULT_CONTEXT

    async def count_tokens(self, chat: Chat) -> int:
        """See ``ChatModel``; counted by the server where it can, else guessed from the bytes."""
        if self._is_vllm:
            return len(await self._read(chat))
        texts = sum(len(message["content"].encode()) for message in chat)
        return texts // BYTES_PER_TOKEN + TEMPLATE_TOKENS * (len(chat) + 1)

    async def write(self, chat: Chat, max_tokens: int, form: ResponseFormat | None = None) -> str:
        """See ``ChatModel``."""
        extra: dict[str, Any] = {}
        if form is not None and self._is_vllm:
            extra["structured_outputs"] = {"grammar": form.grammar}
        elif form is not None:
            schema = {"name": form.name, "schema": form.schema, "strict": True}
            extra["response_format"] = {"type": "json_schema", "json_schema": schema}
        return await self._complete(chat, max_tokens, extra)

    async def choose(self, chat: Chat, options: Sequence[str]) -> str:
        """See ``ChatModel``; a server without ``choice`` is held to an enumeration in JSON."""
        longest = max(len(option.encode()) for option in options) + 16
        if self._is_vllm:
            extra = {"structured_outputs": {"choice": list(options)}}
            text = await self._complete(chat, longest, extra)
        else:
            text = await self._complete(chat, longest, {})
        text = text.strip().strip('"')
        if text not in options:
            self.usage.failures["not an option"] += 1
            raise ChatError("not an option", text[:80])
        return text

    async def score(self, chat: Chat, options: Sequence[str]) -> np.ndarray:
        """See ``ChatModel``; only where ``can_score``."""
        prompt, tree = await self._read(chat), await self._tree(options)
        log_probs: dict[Tokens, dict[int, float]] = {}
        for nodes, wanted in _in_groups(tree):
            found = await self._ask_log_probs([[*prompt, *node] for node in nodes], wanted)
            for node, told in zip(nodes, found, strict=True):
                log_probs[node] = {child: told[child] for child in tree.children[node]}
        return tree.score(log_probs)

    async def ping(self) -> None:
        """See ``ChatModel``."""
        await self._client.reach("/v1/models")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def close(self) -> None:
        """Close the cache; ``aclose`` closes the connections."""
        if self._cache is not None:
            self._cache.close()

    async def _meet_vllm(self) -> None:
        """Try what only vLLM has."""
        chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]
        told = await self._client.probe("POST", "/tokenize", self._tokenize_body(chat, False))
        mark = await self._client.probe("POST", "/tokenize", self._text_body("x"))
        if not (isinstance(told, dict) and isinstance(mark, dict)):
            return
        tokens, x = told["tokens"], mark["tokens"][-1]
        place = len(tokens) - 1 - tokens[::-1].index(x)
        self._end_of_turn = tokens[place + 1 : place + 2]
        self._context = min(self._context or told["max_model_len"], told["max_model_len"])
        self._is_vllm = True
        scored = await self._client.probe("POST", "/v1/completions", self._score_body([[x]], [x]))
        try:
            self.can_score = bool(self._end_of_turn) and _read_log_probs([x])(scored) is not None
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
            body["chat_template_kwargs"] = {"enable_thinking": False}
        return await self._client.ask("/v1/chat/completions", body, _read_text)

    async def _read(self, chat: Chat) -> list[int]:
        """Return the chat's tokens, as the server's template makes them."""
        key = "\0".join(f"{message['role']}\1{message['content']}" for message in chat)
        if key not in self._counts:
            body = self._tokenize_body(chat, True)
            found = await self._client.ask("/tokenize", body, lambda content: content["tokens"])
            # Every order of every user is another chat: only what is asked right now is kept.
            while len(self._counts) > 4096:
                self._counts.pop(next(iter(self._counts)))
            self._counts[key] = [int(token) for token in found]
        return self._counts[key]

    async def _tree(self, options: Sequence[str]) -> OptionTree:
        missing = [option for option in options if option not in self._tokens]

        async def ask(option: str) -> None:
            body = self._text_body(option)
            found = await self._client.ask("/tokenize", body, lambda content: content["tokens"])
            self._tokens[option] = [int(token) for token in found]

        await asyncio.gather(*map(ask, missing))
        return OptionTree.build([[*self._tokens[one], *self._end_of_turn] for one in options])

    async def _ask_log_probs(
        self, prompts: Sequence[Sequence[int]], wanted: Sequence[int]
    ) -> list[dict[int, float]]:
        """Return the log-probability of some tokens right after each prompt."""
        body = self._score_body(prompts, wanted)
        read = _read_log_probs(wanted, len(prompts))
        return await self._client.ask("/v1/completions", body, read)

    def _score_body(
        self, prompts: Sequence[Sequence[int]], wanted: Sequence[int]
    ) -> dict[str, Any]:
        return {
            "model": self.name,
            "prompt": [list(prompt) for prompt in prompts],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 1,
            "logprob_token_ids": list(wanted),
            "return_tokens_as_token_ids": True,
        }

    def _tokenize_body(self, chat: Sequence[Any], opens_answer: bool) -> dict[str, Any]:
        return {
            "model": self.name,
            "messages": list(chat),
            "add_generation_prompt": opens_answer,
            "chat_template_kwargs": {"enable_thinking": False},
        }

    def _text_body(self, text: str) -> dict[str, Any]:
        return {"model": self.name, "prompt": text, "add_special_tokens": False}


def _in_groups(tree: OptionTree) -> list[tuple[list[Tokens], list[int]]]:
    """Divide the partings into groups whose children together may be asked for at once."""
    groups: list[tuple[list[Tokens], dict[int, None]]] = []
    for node, children in tree.children.items():
        for nodes, wanted in groups:
            joined = {**wanted, **dict.fromkeys(children)}
            if len(joined) <= TOKENS_ASKED:
                nodes.append(node)
                wanted.update(joined)
                break
        else:
            groups.append(([node], dict.fromkeys(children)))
    return [(nodes, list(wanted)) for nodes, wanted in groups]


def _read_text(content: Any) -> str:
    text = content["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise ValueError("the content of the message is no text")
    return text


def _read_log_probs(wanted: Sequence[int], count: int = 1) -> Any:
    def read(content: Any) -> list[dict[int, float]]:
        choices = sorted(content["choices"], key=lambda choice: choice["index"])
        if len(choices) != count:
            raise ValueError(f"{len(choices)} answers to {count} prompts")
        found = []
        for choice in choices:
            told = choice["logprobs"]["top_logprobs"][0]
            by_token = {int(name.removeprefix("token_id:")): value for name, value in told.items()}
            found.append({token: float(by_token[token]) for token in wanted})
        return found

    return read
