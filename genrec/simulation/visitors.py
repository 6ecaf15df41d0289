"""Toy users after the toy world's events: their interests drift on, and so does what is in fashion.

Two things drift. A user's strongest interest may give way to a new theme: a model that reads the
history can follow. And the order in which the items of a theme are taken may be shuffled on some
day, for everybody: a model that learned the old order cannot, until it is trained again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.data.toy.catalogue import THEME_ITEMS, Catalogue
from genrec.data.toy.interests import PlantedInterest
from genrec.data.toy.reviews import read_complaint, read_wish
from genrec.data.toy.shopper import Shopper
from genrec.data.toy.world import ToyUser
from genrec.schema import Event

LEFT = 0.05
"""What is left of the strength of an interest that gave way."""


@dataclass(frozen=True)
class Fashion:
    """Which item stands where in the order of its theme, day by day.

    Attributes:
        orders: For each day the item of every place. Shape: (days, items).
    """

    orders: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, num_items: int, days: int, drift: float) -> Fashion:
        """Shuffle each theme on one day after the first, or never.

        Args:
            rng: Where chance comes from.
            num_items: Of the toy catalogue, theme by theme.
            days: How many.
            drift: Share of themes that are shuffled.
        """
        orders = np.tile(np.arange(num_items), (days, 1))
        for start in range(0, num_items, THEME_ITEMS):
            shuffled = start + rng.permutation(THEME_ITEMS)
            begin = int(rng.integers(1, max(days, 2)))
            if rng.random() < drift:
                orders[begin:, start : start + THEME_ITEMS] = shuffled
        return cls(orders)


class Visitor:
    """One user; what they did so far is what they go on from."""

    def __init__(
        self, user: ToyUser, interests: Sequence[PlantedInterest], catalogue: Catalogue
    ) -> None:
        self.user_id = user.user_id
        self.events = list(user.events)
        self._interests = tuple(interests)
        self._catalogue = catalogue
        self._order = np.empty(0, dtype=int)
        self._shopper: Shopper | None = None
        self._noted = 0

    def chances(
        self, at: int, event_type: str, order: np.ndarray, repeat_rate: float
    ) -> np.ndarray:
        """Return each item's chance of being what the user wants now.

        Args:
            at: Seconds.
            event_type: What the user is up to.
            order: The item of every place in its theme, as is the fashion. Shape: (items,).
            repeat_rate: Of the toy world.

        Returns:
            Sums to 1, or to 0 where the user has everything. Shape: (items,).
        """
        place_of = np.argsort(order)
        if self._shopper is None or not np.array_equal(order, self._order):
            # What was done counts by the places that its items have now.
            brands = [self._catalogue.brands[item] for item in order]
            self._shopper = Shopper(brands, self._interests, repeat_rate)
            self._order, self._noted = order, 0
        for event in self.events[self._noted :]:
            self._note(self._shopper, event, place_of)
        self._noted = len(self.events)
        chances: np.ndarray = self._shopper.probabilities(at, event_type)[place_of]
        return chances

    def _note(self, shopper: Shopper, event: Event, place_of: np.ndarray) -> None:
        item = self._catalogue.index_of[event.item_id]
        shopper.observe(int(place_of[item]), event.timestamp, event.rating)
        shopper.shun(read_complaint(self._catalogue, item, event.review))
        wish = read_wish(self._catalogue, event.review)
        shopper.wish_for(None if wish is None else int(place_of[wish]))

    def observe(self, events: Sequence[Event]) -> None:
        """Take note of what the user did."""
        self.events += events


def drift_on(
    rng: np.random.Generator, user: ToyUser, num_themes: int, span: tuple[int, int], drift: float
) -> tuple[PlantedInterest, ...]:
    """Let a user's strongest interest give way to a theme that is none yet, or leave all as is.

    Args:
        rng: Where chance comes from.
        user: Of the toy world.
        num_themes: Themes there are.
        span: First and last second of the days.
        drift: Chance that it does.
    """
    begin, end = span
    held = [_until(interest, begin) for interest in user.interests]
    strongest = max(range(len(held)), key=lambda place: held[place].strength(begin))
    free = sorted(set(range(num_themes)) - {interest.theme for interest in held})
    theme = int(rng.choice(free))
    turned = int(rng.integers(begin + 1, end + 1))
    if rng.random() >= drift:
        return tuple(held)
    old = held[strongest]
    strength = old.strength(begin)
    held[strongest] = PlantedInterest(
        old.theme, (*old.times, turned), (*old.strengths, LEFT * strength), "fading"
    )
    return (*held, PlantedInterest(theme, (begin, turned), (0.0, strength), "emerging"))


def _until(interest: PlantedInterest, moment: int) -> PlantedInterest:
    """Return an interest that stays from a moment on as it is then."""
    knots = zip(interest.times, interest.strengths, strict=True)
    kept = [(time, strength) for time, strength in knots if time < moment]
    times, strengths = zip(*kept, (moment, interest.strength(moment)), strict=True)
    return PlantedInterest(interest.theme, times, strengths, interest.trend)
