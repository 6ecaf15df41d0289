"""What an engine does: items, text and first-code log-probabilities for prompts.

An engine knows tokens and rows of the ID table. Users, events and titles stay outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

SEPARATOR = "; "
"""Between the phrases of a text."""


@dataclass(frozen=True)
class ItemQuery:
    """A prompt that ends where an item is to be written, and what may be written.

    Attributes:
        prompt: Tokens.
        exclude: Rows of the ID table never to return.
        only: Return nothing outside these rows; None: the whole table. Queries that share the
            same array object share its cost.
    """

    prompt: Sequence[int]
    exclude: Sequence[int] = ()
    only: np.ndarray | None = None


@dataclass(frozen=True)
class FoundItems:
    """Items found for a query, best first.

    Attributes:
        rows: Rows of the ID table, distinct. Shape: (k,) or fewer where the filters leave fewer.
        scores: Summed log-probabilities in nats, renormalised at each level over the codes that
            the table and the filters allow. Shape: that of ``rows``.
    """

    rows: np.ndarray
    scores: np.ndarray


class Engine(Protocol):
    """Runs the model."""

    def items(self, queries: Sequence[ItemQuery], k: int) -> list[FoundItems]:
        """Return the ``k`` best items of each query."""
        ...

    def text(
        self, prompts: Sequence[Sequence[int]], max_tokens: int, phrases: Sequence[str]
    ) -> list[str]:
        """Continue each prompt with some of the phrases, joined by ``SEPARATOR``, greedily.

        Args:
            prompts: Token IDs.
            max_tokens: Longest text; one that is cut may end inside a phrase.
            phrases: What may be said.
        """
        ...

    def first_code_log_probs(self, prompts: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the log-probability of every first code after each prompt.

        Returns:
            Normalised over the first codes in use; -inf for others. Shape: (B, K), float32.
        """
        ...
