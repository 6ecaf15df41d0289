"""The answers a model may choose from, as a trie of their tokens.

Enters: the tokens of each option. Leaves: the branching points, where options diverge, and from the
model's log-probabilities there the log-probability of each option. Between two branching points the
tokens are forced, contribute log 1 = 0 and need no query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genrec.decode.trie import Trie

Tokens = tuple[int, ...]

MIN_LOG_PROB = -1e4
"""Floor, so that options that the model rules out one and all are equal and not NaN."""


@dataclass(frozen=True)
class OptionTree:
    """A trie of options of different lengths.

    Attributes:
        options: Tokens of each; none is a prefix of another.
        children: The branching points: the tokens that may follow each prefix that has several.
    """

    options: tuple[Tokens, ...]
    children: Mapping[Tokens, tuple[int, ...]]
    _trie: Trie
    _padding: int

    @classmethod
    def build(cls, options: Sequence[Sequence[int]]) -> OptionTree:
        """Index the options.

        Raises:
            ValueError: Two are equal, or one is a prefix of another.
        """
        rows = tuple(tuple(option) for option in options)
        width, padding = max(map(len, rows)), 1 + max(map(max, rows))
        trie = Trie.build([row + (padding,) * (width - len(row)) for row in rows])
        children: dict[Tokens, tuple[int, ...]] = {}
        for level in range(trie.num_levels):
            first_leaves = np.cumsum([0, *trie.leaf_counts(level)[:-1]])
            for node, leaf in enumerate(trie.leaf_at[first_leaves], trie.level_start[level]):
                below = trie.children(node)
                if len(below) > 1:
                    tokens = tuple(trie.tokens[below.start : below.stop].tolist())
                    children[rows[leaf][:level]] = tokens
        if any(padding in tokens for tokens in children.values()):
            raise ValueError("an option is a prefix of another")
        return cls(rows, children, trie, padding)

    def following(self, prefix: Tokens) -> tuple[int, ...]:
        """Return the tokens that may follow a prefix; empty at the end of an option."""
        below = self._trie.children(self._trie.walk(prefix))
        tokens = self._trie.tokens[below.start : below.stop].tolist()
        return tuple(token for token in tokens if token != self._padding)

    def score(self, log_probs: Mapping[Tokens, Mapping[int, float]]) -> np.ndarray:
        """Return the log-probability of each option.

        Args:
            log_probs: For each branching point and child; need not be normalised.

        Returns:
            In nats; their exponentials sum to 1. Shape: (options,), float64.
        """
        steps: dict[Tokens, float] = {}
        for prefix, children in self.children.items():
            values = np.array([log_probs[prefix][child] for child in children], dtype=np.float64)
            values = np.maximum(values, MIN_LOG_PROB)
            values -= np.logaddexp.reduce(values)
            steps.update(zip(((*prefix, child) for child in children), values, strict=True))
        return np.array(
            [
                sum(steps.get(option[:length], 0.0) for length in range(1, len(option) + 1))
                for option in self.options
            ],
            dtype=np.float64,
        )
