"""What a user does with a page: looks at ranks, clicks what matches, else maybe goes searching.

Position-based: an item is clicked if its rank is examined and the item is attractive, which are
independent of each other. Chance is drawn before the page is seen, so that the same user on the
same day has the same luck under every arm, and arms differ by what they show alone.

Source:
    Craswell, Zoeter, Taylor and Ramsey, An experimental comparison of click position-bias models,
    WSDM 2008; examination 1 / rank^eta as in Joachims, Swaminathan and Schnabel, Unbiased
    learning-to-rank with biased feedback, WSDM 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec.data.toy.world import VIEW_SHARE

ETA = 0.7
"""How quickly attention falls with the rank."""
APPETITE = 3.0
"""An item that is wanted next with chance 1/3 or more is clicked whenever it is examined."""
SEARCH_SHARE = 0.5
"""How often a user who clicked nothing finds an item without the recommender."""


def examination(k: int) -> np.ndarray:
    """Return the chance that each rank is looked at. Shape: (k,)."""
    return np.asarray(np.arange(1, k + 1) ** -ETA)


@dataclass(frozen=True)
class Luck:
    """All that chance decides in one visit.

    Attributes:
        event_type: What the user is up to.
        looks: Below its examination a rank is looked at. Shape: (k,), within [0, 1).
        wants: Below its attraction an item that is looked at is clicked. Shape: (k,).
        searches: Below ``SEARCH_SHARE`` a user without a click goes on searching.
        finds: Which item is found: place on the line of chances.
    """

    event_type: str
    looks: np.ndarray
    wants: np.ndarray
    searches: float
    finds: float

    @classmethod
    def draw(cls, rng: np.random.Generator, k: int) -> Luck:
        """Draw a visit to a page of ``k`` items."""
        event_type = "view" if rng.random() < VIEW_SHARE else "purchase"
        looks, wants = rng.random(k), rng.random(k)
        return cls(event_type, looks, wants, float(rng.random()), float(rng.random()))

    def clicks(self, attraction: np.ndarray) -> list[int]:
        """Return the places of a page that are clicked, from 0.

        Args:
            attraction: Chance of each item, by rank, to be what the user wants. Shape: (k,).
        """
        k = len(attraction)
        matches = np.minimum(1.0, APPETITE * attraction)
        clicked = (self.looks[:k] < examination(k)) & (self.wants[:k] < matches)
        places: list[int] = np.flatnonzero(clicked).tolist()
        return places

    def found(self, chances: np.ndarray) -> int | None:
        """Return the item that a user without a click finds, None for none.

        Args:
            chances: Of each item to be what the user wants, but for those shown. Shape: (items,).
        """
        line = np.cumsum(chances)
        if self.searches >= SEARCH_SHARE or not line[-1]:
            return None
        return int(np.searchsorted(line, self.finds * line[-1], side="right"))
