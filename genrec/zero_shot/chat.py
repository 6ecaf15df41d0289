"""The interface of chat models: write an answer, or return the log-probabilities of given answers.

Implementations: ``endpoint.EndpointChat`` (any OpenAI-compatible URL) and ``local.LocalChat`` (a
Hugging Face causal LM in this process). Knows nothing of users or items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

import numpy as np

from genrec.zero_shot.usage import Usage


class Message(TypedDict):
    """One message of a chat; ``role`` is "system", "user" or "assistant"."""

    role: str
    content: str


Chat = Sequence[Message]


class ChatError(Exception):
    """A request ended without a usable answer.

    Attributes:
        kind: The category it is counted in, such as "timeout", "http 500" or "not json".
        detail: What happened, on one line.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind, self.detail = kind, detail


@dataclass(frozen=True)
class ResponseFormat:
    """The format of a JSON answer.

    Attributes:
        name: Of the format.
        schema: As JSON schema; enforced by servers that support it.
        grammar: The same as an EBNF grammar, for vLLM and for models in this process. The only
            white space it allows is one blank after each comma and colon; where white space is
            free, a small model may write nothing else.
        choices: If the answer is one list of distinct strings: its key, the strings allowed, and
            the maximum length of the list. A local model is restricted to these by a trie.
    """

    name: str
    schema: Mapping[str, Any]
    grammar: str
    choices: tuple[str, tuple[str, ...], int] | None = None


class ChatModel(Protocol):
    """A chat model; every method may be awaited concurrently."""

    name: str
    usage: Usage
    can_score: bool
    """Whether ``score`` works: it needs the model's log-probabilities of given tokens."""

    async def context_tokens(self) -> int:
        """Return the maximum length of prompt and answer together, in the model's tokens."""
        ...

    async def count_tokens(self, chat: Chat) -> int:
        """Return the length of a chat including the start of the answer, in the model's tokens."""
        ...

    async def write(
        self, chat: Chat, max_tokens: int, response_format: ResponseFormat | None = None
    ) -> str:
        """Write an answer greedily.

        Args:
            chat: Ends with the user's message.
            max_tokens: Maximum length of the answer.
            response_format: Of a JSON answer; None: free text. A server that cannot enforce it may
                answer differently.

        Raises:
            ChatError: No answer; counted in ``usage``.
        """
        ...

    async def choose(self, chat: Chat, options: Sequence[str]) -> str:
        """Write one of the options greedily.

        Raises:
            ChatError: No answer, or none of the options; counted in ``usage``.
        """
        ...

    async def score(self, chat: Chat, options: Sequence[str]) -> np.ndarray:
        """Return the log-probability of each option, given that the answer is one of them.

        The chat is read once for all options.

        Args:
            chat: Ends with the user's message.
            options: Distinct answers.

        Returns:
            In nats; their exponentials sum to 1. Shape: (options,), float64.

        Raises:
            ChatError: No answer; counted in ``usage``.
        """
        ...

    async def ping(self) -> None:
        """Check that the model is reachable; costs no tokens.

        Raises:
            ChatError: It does not answer.
        """
        ...

    async def close(self) -> None:
        """Release connections and memory."""
        ...
