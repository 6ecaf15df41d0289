"""Measure whether the position at which a candidate is shown affects its rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class PositionBias:
    """Aggregates, over many randomly ordered lists, how ranks depend on shown positions."""

    def __init__(self) -> None:
        self._correlations: list[float] = []
        self._agreements: list[float] = []
        self._first_chosen = 0
        self._chance = 0.0

    def record(self, ranks: Sequence[np.ndarray]) -> None:
        """Record the rankings of one request.

        Args:
            ranks: For each order that was asked: the rank, 0 the best, of the candidates in the
                order shown. Shape of each: (candidates,).
        """
        for by_position in ranks:
            if len(by_position) > 1:
                positions = np.arange(len(by_position))
                self._correlations.append(_correlation(positions, by_position))
                self._first_chosen += int(by_position[0] == 0)
                self._chance += 1 / len(by_position)

    def record_agreement(self, first: np.ndarray, second: np.ndarray) -> None:
        """Record the ranks of the same candidates in two orders. Shape: (candidates,)."""
        if len(first) > 1:
            self._agreements.append(_correlation(first, second))

    def to_json(self) -> dict[str, Any]:
        """Return the measures.

        ``correlation``: mean rank correlation of shown position and rank, with its standard error;
        0 without bias, 1 if the ranking repeats the order shown. ``first_shown_chosen``: how often
        the candidate shown first is ranked first, and ``chance`` of that. ``agreement``: mean rank
        correlation of two orders' rankings of the same candidates; None with a single order.
        """
        count = len(self._correlations)
        error = float(np.std(self._correlations) / np.sqrt(count)) if count else None
        return {
            "lists": count,
            "correlation": float(np.mean(self._correlations)) if count else None,
            "correlation_error": error,
            "first_shown_chosen": self._first_chosen / count if count else None,
            "chance": self._chance / count if count else None,
            "agreement": float(np.mean(self._agreements)) if self._agreements else None,
        }


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Pearson's correlation of two rankings; 0 if one of them is constant."""
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / norm) if norm > 0 else 0.0
