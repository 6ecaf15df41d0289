"""Planted interests: how strongly a user cares for each theme, over the user's time line.

Strengths are piecewise linear between knots and constant outside them. An interest's weight is
its share of the user's total strength, and its trend compares the weight at the end of the time
line with the weight half-way: twice as much is emerging, half as much is fading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.schema import Trend

# Steady interests keep clear of the limits at which the trend changes its name.
STEADY_RANGE = (0.67, 1.5)
RING_SHARE = 0.7
"""How often a new interest is the next theme of one already held."""


@dataclass(frozen=True)
class PlantedInterest:
    """One theme a user cares about.

    Attributes:
        theme: Its place in the catalogue.
        times: Seconds since 1970, increasing.
        strengths: At those times; 0 until the interest is born.
        trend: At the end of the time line.
    """

    theme: int
    times: tuple[int, ...]
    strengths: tuple[float, ...]
    trend: Trend

    @property
    def birth(self) -> int | None:
        """Moment the strength leaves 0; None for an interest held from the start."""
        if self.strengths[0] > 0:
            return None
        first = next(place for place, strength in enumerate(self.strengths) if strength > 0)
        return self.times[first - 1]

    def strength(self, at: float) -> float:
        """Return the strength at a moment."""
        return float(np.interp(at, self.times, self.strengths))

    def is_past(self, at: float) -> bool:
        """Whether the strength has fallen well below its peak."""
        peak = max(self.strengths)
        return at > self.times[self.strengths.index(peak)] and self.strength(at) < 0.6 * peak


def weights(interests: Sequence[PlantedInterest], at: float) -> np.ndarray:
    """Return each interest's share of the user's attention. Shape: (interests,)."""
    return _normalise(np.array([interest.strength(at) for interest in interests]))


def plant_interests(
    rng: np.random.Generator, num_themes: int, start: int, end: int
) -> tuple[PlantedInterest, ...]:
    """Draw a user's interests; one is always there, so that attention never vanishes."""
    while True:
        planted = tuple(
            PlantedInterest(theme, *_shape(rng, trend, is_born, start, end), trend)
            for theme, trend, is_born in _draw_plan(rng, num_themes)
        )
        if _trends_hold(planted, start, end):
            return planted


def _draw_plan(rng: np.random.Generator, num_themes: int) -> list[tuple[int, Trend, bool]]:
    """Return theme, trend and whether it is born on the time line, for each interest."""
    popularity = 1 / (np.arange(num_themes) + 4)
    first = rng.choice(num_themes, size=rng.integers(2, 4), replace=False, p=_normalise(popularity))
    plan: list[tuple[int, Trend, bool]] = [(int(first[0]), "steady", False)]
    for theme in first[1:]:
        plan.append((int(theme), "fading" if rng.random() < 0.6 else "steady", False))
    for _ in range(rng.choice(3, p=[0.1, 0.6, 0.3])):
        held = [theme for theme, _, _ in plan]
        free = popularity.copy()
        free[held] = 0
        theme = (held[rng.integers(len(held))] + 1) % num_themes
        if theme in held or rng.random() > RING_SHARE:
            theme = int(rng.choice(num_themes, p=_normalise(free)))
        trends: list[Trend] = ["emerging", "steady", "fading"]
        plan.append((theme, trends[rng.choice(3, p=[0.6, 0.2, 0.2])], True))
    return plan


def _shape(
    rng: np.random.Generator, trend: Trend, is_born: bool, start: int, end: int
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return times and strengths of one interest."""
    peak = rng.uniform(0.7, 1.3)
    if trend == "emerging":
        birth = rng.uniform(0.55, 0.78)
        knots = [(0.0, 0.0), (birth, 0.0), (birth + 0.15, 1.2 * peak), (1.0, 1.5 * peak)]
    elif trend == "steady":
        wave = rng.uniform(0.85, 1.15, size=3)
        knots = [(0.0, peak), (0.3, wave[0] * peak), (0.6, wave[1] * peak), (1.0, wave[2] * peak)]
    else:
        fall = rng.uniform(0.5, 0.65)
        knots = [(0.0, 1.4 * peak), (fall, 1.2 * peak), (fall + 0.25, 0.05), (1.0, 0.02)]
    if is_born and trend != "emerging":
        birth = rng.uniform(0.12, 0.3)
        rise = birth + 0.12
        later = [knot for knot in knots if knot[0] > rise]
        knots = [(0.0, 0.0), (birth, 0.0), (rise, 1.2 * peak), *later]
    times = tuple(int(start + share * (end - start)) for share, _ in knots)
    return times, tuple(round(float(strength), 4) for _, strength in knots)


def _trends_hold(planted: Sequence[PlantedInterest], start: int, end: int) -> bool:
    """Whether each trend also holds for the share of attention, which others move too."""
    half, last = weights(planted, (start + end) / 2), weights(planted, end)
    holds = {
        "emerging": last >= 2 * half,
        "steady": (last >= STEADY_RANGE[0] * half) & (last <= STEADY_RANGE[1] * half),
        "fading": last <= half / 2,
    }
    return all(holds[interest.trend][place] for place, interest in enumerate(planted))


def _normalise(mass: np.ndarray) -> np.ndarray:
    shares: np.ndarray = mass / mass.sum()
    return shares
