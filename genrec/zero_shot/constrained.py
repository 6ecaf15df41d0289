"""Holds what a model in this process writes to a grammar, and ends it in time.

Enters: the EBNF that vLLM is given too. Leaves: which tokens may follow what is written. It knows
nothing of models or of what the text is about; llguidance follows the grammar.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from llguidance import LLMatcher, grammar_from
from llguidance.hf import from_tokenizer

CLOSING = ('"', "]", "}")
"""What ends the strings, lists and objects of JSON; tried in this order to end an answer early."""


class Grammars:
    """Begins texts in the tokens of one model."""

    def __init__(self, tokenizer: Any, vocab_size: int, ends: Collection[int]) -> None:
        """Take the tokenizer, which takes a second.

        Args:
            tokenizer: A fast one of Hugging Face.
            vocab_size: Logits of the model; those beyond the tokenizer are of no token.
            ends: Tokens that end an answer.
        """
        self._tokenizer = from_tokenizer(tokenizer, vocab_size, list(ends))
        self._ends = list(ends)
        self._sizes = np.array(
            [len(self._tokenizer.decode_bytes([token])) for token in range(vocab_size)]
        )
        self._closing = [
            tokens[0] for mark in CLOSING if len(tokens := self._tokenizer.tokenize_str(mark)) == 1
        ]

    def begin(self, ebnf: str) -> ConstrainedText:
        """Begin a text of a grammar.

        Raises:
            ValueError: It is none.
        """
        matcher = LLMatcher(self._tokenizer, grammar_from("grammar", ebnf), log_level=0)
        if matcher.is_error():
            raise ValueError(f"no grammar: {matcher.get_error()}")
        return ConstrainedText(matcher, self._ends, self._sizes, self._closing)


class ConstrainedText:
    """A text of a grammar while it is being written."""

    def __init__(
        self, matcher: LLMatcher, ends: Sequence[int], sizes: np.ndarray, closing: Sequence[int]
    ) -> None:
        self._matcher = matcher
        self._ends, self._sizes, self._closing = list(ends), sizes, list(closing)

    @property
    def is_whole(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._matcher.is_stopped())

    def forced(self) -> list[int]:
        """Return the tokens that must come next; none where there is a choice."""
        return list(self._matcher.compute_ff_tokens())

    def allowed(self) -> np.ndarray:
        """Return which tokens may come next, an end among them where the text may end.

        Returns:
            Shape: (V,), bool.
        """
        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        return np.unpackbits(packed, count=len(self._sizes), bitorder="little").astype(bool)

    def take(self, tokens: Sequence[int]) -> None:
        """Take the next tokens.

        Raises:
            ValueError: They are not allowed.
        """
        if not self._matcher.consume_tokens(list(tokens)):
            raise ValueError(f"the grammar does not allow {tokens}: {self._matcher.get_error()}")

    def ending(self, most: int) -> list[int] | None:
        """Return few tokens that make the text whole; None if that takes more than ``most``.

        Whatever is open is closed as soon as the grammar allows; what must still be said is said
        in the longest tokens.
        """
        matcher, found = self._matcher.deep_copy(), list[int]()
        rest = ConstrainedText(matcher, self._ends, self._sizes, self._closing)
        while not rest.is_whole and not matcher.is_accepting():
            following = rest.forced() or [rest._nearest_to_the_end()]
            rest.take(following)
            found += following
            if len(found) > most:
                return None
        return found

    def _nearest_to_the_end(self) -> int:
        allowed = self.allowed()
        for token in self._closing:
            if allowed[token]:
                return token
        return int(np.where(allowed, self._sizes, -1).argmax())
