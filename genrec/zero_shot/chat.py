"""What a chat model does: write an answer, or say how likely each of some answers is.

Two stand behind it: ``endpoint.EndpointChat`` (any OpenAI-compatible URL) and ``local.LocalChat``
(a Hugging Face causal LM in this process). Knows nothing of users or items.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

import numpy as np

from genrec.zero_shot.usage import Usage


class Message(TypedDict):
    """One turn of a chat; ``role`` is "system", "user" or "assistant"."""

    role: str
    content: str


Chat = Sequence[Message]


class ChatError(Exception):  # noqa: N818  (a counted outcome, not a fault of the program)
    """A request ended without an answer.

    Attributes:
        kind: What it is counted under, such as "timeout", "http 500" or "not json".
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


@dataclass(frozen=True)
class ResponseFormat:
    """The form of a JSON answer.

    Attributes:
        name: Of the form.
        schema: As JSON schema; a server that can is held to it.
        grammar: The same as an EBNF grammar, for vLLM: without white space but for one blank after
            each comma and colon. Where white space is free, a small model may write nothing else.
        lists: Where the answer is one list of distinct strings: its key and what may stand in it.
            A model in this process writes it under a trie of these strings.
    """

    name: str
    schema: Mapping[str, Any]
    grammar: str
    lists: tuple[str, tuple[str, ...], int] | None = None


class ChatModel(Protocol):
    """A chat model; every method may be awaited many times at once."""

    name: str
    usage: Usage
    can_score: bool
    """Whether ``score`` works: it needs the model's log-probabilities of given tokens."""

    async def context_tokens(self) -> int:
        """Return the longest prompt and answer together, in the model's tokens."""
        ...

    async def count_tokens(self, chat: Chat) -> int:
        """Return the length of a chat, with the opening of the answer, in the model's tokens."""
        ...

    async def write(self, chat: Chat, max_tokens: int, form: ResponseFormat | None = None) -> str:
        """Write an answer, greedily.

        Args:
            chat: Ends with the user's turn.
            max_tokens: Longest answer.
            form: Of a JSON answer; None: free text. A server that cannot be held to it may
                answer otherwise.

        Raises:
            ChatError: No answer came; counted in ``usage``.
        """
        ...

    async def choose(self, chat: Chat, options: Sequence[str]) -> str:
        """Write one of the options, greedily.

        Raises:
            ChatError: No answer came, or none of the options; counted in ``usage``.
        """
        ...

    async def score(self, chat: Chat, options: Sequence[str]) -> np.ndarray:
        """Return the log-probability with which the model, held to the options, writes each.

        The chat is read once for all options.

        Args:
            chat: Ends with the user's turn.
            options: Distinct answers.

        Returns:
            In nats; their exponentials sum to 1. Shape: (options,), float64.

        Raises:
            ChatError: No answer came; counted in ``usage``.
        """
        ...

    async def ping(self) -> None:
        """Ask whether the model is there; costs no tokens.

        Raises:
            ChatError: It does not answer.
        """
        ...

    def close(self) -> None:
        """Let go of connections and memory."""
        ...
