"""Does the order in which candidates are shown decide their rank? Measured, not assumed away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class PositionBias:
    """Sums up, over many lists in random order, how ranks follow places."""

    def __init__(self) -> None:
        self._correlations: list[float] = []
        self._agreements: list[float] = []
        self._first_chosen = 0
        self._chance = 0.0

    def note(self, ranks: Sequence[np.ndarray]) -> None:
        """Note the rankings of one request.

        Args:
            ranks: For each order that was asked: the rank, 0 the best, that was given to the
                candidate shown first, second, ... Shape of each: (candidates,).
        """
        for given in ranks:
            if len(given) > 1:
                self._correlations.append(_correlation(np.arange(len(given)), given))
                self._first_chosen += int(given[0] == 0)
                self._chance += 1 / len(given)

    def note_agreement(self, first: np.ndarray, second: np.ndarray) -> None:
        """Note the ranks that two orders gave to the same candidates. Shape: (candidates,)."""
        if len(first) > 1:
            self._agreements.append(_correlation(first, second))

    def to_json(self) -> dict[str, Any]:
        """Return the measures.

        ``correlation``: mean rank correlation of shown place and given rank, with its standard
        error; 0 without bias, 1 where the order shown is the ranking. ``first_shown_chosen``: how
        often the candidate shown first was ranked first, and by ``chance``. ``agreement``: mean
        rank correlation of two orders' rankings of the same candidates; None where one was asked.
        """
        count = len(self._correlations)
        spread = float(np.std(self._correlations) / np.sqrt(count)) if count else None
        return {
            "lists": count,
            "correlation": float(np.mean(self._correlations)) if count else None,
            "correlation_error": spread,
            "first_shown_chosen": self._first_chosen / count if count else None,
            "chance": self._chance / count if count else None,
            "agreement": float(np.mean(self._agreements)) if self._agreements else None,
        }


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation of two rankings; 0 where one of them says nothing."""
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / norm) if norm > 0 else 0.0
