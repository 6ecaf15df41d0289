"""How a toy user picks the next item, as exact probabilities.

The generator draws from these probabilities and the oracle ranks by them, so that the oracle's
score is the most any recommender can reach on average.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec.data.toy.catalogue import (
    CHAIN,
    SUBTHEMES,
    THEME_ITEMS,
    position_of,
    subtheme_of,
    theme_of,
)
from genrec.data.toy.interests import PlantedInterest, weights

SESSION_GAP_S = 6 * 3600
"""Events closer than this belong to one sitting, which tends to keep to one theme."""
STAY_SHARE = 0.8
ONE_OFF_SHARE = 0.04
"""Events that follow no interest, such as a gift."""
WISH_SHARE = 0.9
"""How often a wish that a review speaks of comes true at the next event."""
SHUNNED = 0.05
"""Of its former chances, what is left to an item of a brand that the user is done with."""
START_SHARES = (0.4, 0.3, 0.2, 0.1)
"""Of the subthemes, where an interest begins."""

# Shares of: the chain's next item, the rest of the subtheme, the next subtheme, the whole theme.
AFTER_PURCHASE = (0.72, 0.08, 0.14, 0.06)
AFTER_VIEW = (0.50, 0.28, 0.14, 0.08)
AFTER_DISAPPOINTMENT = (0.06, 0.04, 0.78, 0.12)
DISAPPOINTING_RATING = 2


class Shopper:
    """One user's state: what was taken, and where each interest stands."""

    def __init__(
        self, brands: Sequence[str | None], interests: Sequence[PlantedInterest], repeat_rate: float
    ) -> None:
        """Begin with nothing.

        Args:
            brands: Of each item.
            interests: As planted.
            repeat_rate: How often something that runs out is bought again.
        """
        self.interests = interests
        self.repeat_rate = repeat_rate
        self._brands = np.array(brands, dtype=object)
        self._liking = np.ones(len(brands))
        self._is_new = np.ones(len(brands), dtype=bool)
        self._last_item: dict[int, int] = {}
        self._disappointed: set[int] = set()
        self._wish: int | None = None
        self._last_theme: int | None = None
        self._last_time: int | None = None

    def observe(self, item: int, at: int, rating: float | None) -> None:
        """Take note of an event: its item, time and rating."""
        theme = theme_of(item)
        self._is_new[item] = False
        self._last_item[theme] = item
        self._last_theme, self._last_time = theme, at
        self._disappointed.discard(theme)
        self._wish = None
        if rating is not None and rating <= DISAPPOINTING_RATING:
            self._disappointed.add(theme)

    def shun(self, brand: str | None) -> None:
        """Take note that a review is done with a brand; None: with no brand."""
        if brand is not None:
            self._liking[self._brands == brand] = SHUNNED

    def wish_for(self, item: int | None) -> None:
        """Take note of the item that the last event's review wishes for; None: for nothing."""
        self._wish = item

    def draw_wish(self, rng: np.random.Generator, at: int) -> int | None:
        """Return any new item of a theme that the user would turn to at a moment.

        Themes are wished for as often as they are turned to, so wishes tell which one comes and
        change nothing of how often it does.
        """
        shares = self._theme_shares(at)
        mass = np.zeros(len(self._is_new))
        for theme, share in shares.items():
            items = slice(theme * THEME_ITEMS, (theme + 1) * THEME_ITEMS)
            mass[items] = share * _spread(self._is_new[items] * (self._liking[items] == 1))
        return int(rng.choice(len(mass), p=_spread(mass))) if mass.any() else None

    def is_tired_of(self, theme: int, at: int) -> bool:
        """Whether an interest has fallen well below its peak."""
        return any(interest.theme == theme and interest.is_past(at) for interest in self.interests)

    def probabilities(self, at: int, event_type: str) -> np.ndarray:
        """Return each item's probability of being the next event's.

        Returns:
            Sums to 1, or to 0 where the user already has everything. Shape: (items,).
        """
        held = {interest.theme for interest in self.interests}
        mass: np.ndarray = np.zeros(len(self._is_new))
        for theme, share in self._theme_shares(at).items():
            if share > 0:
                mass[theme * THEME_ITEMS : (theme + 1) * THEME_ITEMS] = share * self._within(
                    theme, event_type
                )
        one_off = self._is_new.copy()
        for theme in held:
            one_off[theme * THEME_ITEMS : (theme + 1) * THEME_ITEMS] = False
        mass = (1 - ONE_OFF_SHARE) * mass + ONE_OFF_SHARE * _spread(one_off)
        if self.repeat_rate > 0:
            mass = self._with_repeats(mass, at)
        total = mass.sum()
        if total == 0:
            return mass
        mass = mass / total
        if self._wish is not None and mass[self._wish] > 0:
            mass = (1 - WISH_SHARE) * mass
            mass[self._wish] += WISH_SHARE
        return mass

    def _theme_shares(self, at: int) -> dict[int, float]:
        shares = {
            interest.theme: float(weight)
            for interest, weight in zip(self.interests, weights(self.interests, at), strict=True)
        }
        last, since = self._last_theme, self._last_time
        if last is None or since is None or at - since >= SESSION_GAP_S:
            return shares
        if shares.get(last, 0) > 0:
            shares = {theme: (1 - STAY_SHARE) * share for theme, share in shares.items()}
            shares[last] += STAY_SHARE
        return shares

    def _within(self, theme: int, event_type: str) -> np.ndarray:
        """Return the probabilities of a theme's items; they sum to 1 or 0. Shape: (20,)."""
        items = slice(theme * THEME_ITEMS, (theme + 1) * THEME_ITEMS)
        grid = self._is_new[items].reshape(SUBTHEMES, CHAIN)
        last = self._last_item.get(theme)
        if last is None:
            cells = 0.7 * _first_new(grid) * np.array(START_SHARES)[:, None] + 0.3 * _spread(grid)
        else:
            cells = self._after(last, grid, event_type)
        mass: np.ndarray = _spread(cells.reshape(-1) * self._liking[items])
        return mass

    def _after(self, last: int, grid: np.ndarray, event_type: str) -> np.ndarray:
        subtheme, position = subtheme_of(last), position_of(last)
        chain, near, move, anywhere = AFTER_VIEW if event_type == "view" else AFTER_PURCHASE
        if theme_of(last) in self._disappointed:
            chain, near, move, anywhere = AFTER_DISAPPOINTMENT
        mass = anywhere * _spread(grid)
        mass[subtheme] += near * _spread(grid[subtheme])
        ahead = grid[subtheme].copy()
        ahead[: position + 1] = False
        if ahead.any():
            mass[subtheme, ahead.argmax()] += chain
        else:
            move += chain
        # The next subtheme with anything new in it, in the order users move through them.
        order = [(subtheme + step) % SUBTHEMES for step in range(1, SUBTHEMES)]
        following = next((other for other in order if grid[other].any()), None)
        if following is not None:
            mass[following, grid[following].argmax()] += move
        return mass

    def _with_repeats(self, mass: np.ndarray, at: int) -> np.ndarray:
        """Mix in buying again what runs out, the more of a theme the more the user cares."""
        again = np.zeros(len(mass))
        for interest in self.interests:
            theme = slice(interest.theme * THEME_ITEMS, (interest.theme + 1) * THEME_ITEMS)
            consumable = ~self._is_new[theme]
            consumable[np.arange(THEME_ITEMS) % CHAIN != CHAIN - 1] = False
            again[theme] += interest.strength(at) * _spread(consumable)
        if not again.any():
            return mass
        return (1 - self.repeat_rate) * mass + self.repeat_rate * _spread(again)


def _spread(mass: np.ndarray) -> np.ndarray:
    """Return ``mass`` scaled to sum to 1, all 0 where it is all 0."""
    total = mass.sum()
    return mass / total if total > 0 else mass.astype(float)


def _first_new(grid: np.ndarray) -> np.ndarray:
    """Mark the first new item of each subtheme. Shape: (4, 5) in and out."""
    first: np.ndarray = grid & (grid.cumsum(axis=1) == 1)
    return first
