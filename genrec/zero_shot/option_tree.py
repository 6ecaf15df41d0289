"""Answers that a model may choose among, as a tree of their tokens.

Enters: the tokens of each option. Leaves: the places where options part, and from the model's
log-probabilities there the log-probability of each option. Between two partings the tokens are
forced, add log 1 = 0 and need no question: the rule of ``genrec.decode.scores``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class OptionTree:
    """The partings of some options.

    Attributes:
        options: Tokens of each; none is the beginning of another.
        children: By the tokens written so far: the tokens that may follow, where several may.
    """

    options: tuple[Tokens, ...]
    children: Mapping[Tokens, tuple[int, ...]]

    @classmethod
    def build(cls, options: Sequence[Sequence[int]]) -> OptionTree:
        """Find where the options part.

        Raises:
            ValueError: Two are equal, or one is the beginning of another.
        """
        rows = tuple(tuple(option) for option in options)
        following: dict[Tokens, dict[int, None]] = {}
        for row in rows:
            for length in range(len(row)):
                following.setdefault(row[:length], {})[row[length]] = None
        if len(set(rows)) < len(rows) or any(row in following for row in rows):
            raise ValueError("an option is equal to another or its beginning")
        parting = {node: tuple(found) for node, found in following.items() if len(found) > 1}
        return cls(rows, parting)

    def following(self, written: Tokens) -> tuple[int, ...]:
        """Return the tokens that may follow what is written; empty at the end of an option."""
        if written in self.children:
            return self.children[written]
        length = len(written)
        for row in self.options:
            if row[:length] == written and len(row) > length:
                return (row[length],)
        return ()

    def score(self, log_probs: Mapping[Tokens, Mapping[int, float]]) -> np.ndarray:
        """Return the log-probability of each option.

        Args:
            log_probs: At each parting, of each child; normalised over any set that holds them.

        Returns:
            In nats; their exponentials sum to 1. Shape: (options,), float64.
        """
        steps: dict[Tokens, dict[int, float]] = {}
        for node, children in self.children.items():
            values = np.array([log_probs[node][child] for child in children], dtype=np.float64)
            # A child the model rules out altogether must not make the others NaN.
            values = np.maximum(values, -1e4)
            values -= values.max()
            values -= np.log(np.exp(values).sum())
            steps[node] = dict(zip(children, values.tolist(), strict=True))
        scores = [
            sum(
                steps[row[:length]][row[length]]
                for length in range(len(row))
                if row[:length] in steps
            )
            for row in self.options
        ]
        return np.array(scores, dtype=np.float64)
