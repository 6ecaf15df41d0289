"""How often each rank is looked at, from what the exploration quota has moved by one place.

Where chance puts some other item at a rank, the items below stand one place lower than they would.
So the same item stands now at the rank that is its own, now at the next one, by chance alone, and
how much less it is clicked there is how much less the next rank is looked at: ratios of neighbours,
multiplied down the page.

Source: swap interventions, Joachims, Swaminathan and Schnabel, Unbiased learning-to-rank with
biased feedback, WSDM 2017; of adjacent ranks, Agarwal et al., Estimating position bias without
intrusive interventions, arXiv 1812.05161. Differs: chance is known here, so that pages under other
quotas are weighted by the inverse of it, self-normalised.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np

from genrec.online_metrics.pages import Page

FEWEST_CLICKS = 30
"""At each of two neighbours, of the items that tell them apart; fewer tell nothing."""


def examination(pages: Sequence[Page], clicked: Collection[tuple[int, int]]) -> list[float]:
    """Return how often each rank is looked at, as a share of the first one's.

    Args:
        pages: Those without ``draws`` tell nothing.
        clicked: Places of pages and, on these, of items, from 0.

    Returns:
        From the first rank (1.0) down to where there are too few clicks to tell.
    """
    depth = max((len(page.draws) for page in pages), default=0)
    # Of items whose own rank is r: clicks, clicks and pages weighted, at r and at r + 1.
    count = np.zeros((2, depth))
    clicks, shown = np.zeros((2, depth)), np.zeros((2, depth))
    for number, page in enumerate(pages):
        for rank, draw in enumerate(page.draws):
            moved = rank + 1 - draw.place
            if moved not in (0, 1):
                continue
            chance = stand_chances(draw.rate, draw.candidates, len(page.draws))[
                rank, draw.place - 1
            ]
            shown[moved, draw.place - 1] += 1 / chance
            if (number, rank) in clicked:
                count[moved, draw.place - 1] += 1
                clicks[moved, draw.place - 1] += 1 / chance
    found = [1.0]
    for own in range(depth - 1):
        if count[:, own].min() < FEWEST_CLICKS:
            break
        here, below = clicks[:, own] / shown[:, own]
        found.append(found[-1] * float(below / here))
    return found if depth else []


@lru_cache(64)
def stand_chances(rate: float, candidates: int, k: int) -> np.ndarray:
    """Return how likely ``experiments.explore`` puts each candidate at each rank.

    Args:
        rate: Share of ranks at which chance chooses.
        candidates: How many there are.
        k: Ranks.

    Returns:
        By rank and place in the ranking, both from 0. Shape: (k, candidates).
    """
    chances = np.zeros((k, candidates))
    for place in range(candidates):
        # Of ``place`` better candidates so many are left, and the item is too: how likely.
        better = np.zeros(place + 1)
        better[place] = 1.0
        for rank in range(k):
            left = candidates - rank
            ahead = np.arange(place + 1)
            is_best = ahead == 0
            taken = rate / left + (1 - rate) * is_best
            chances[rank, place] = (better * taken).sum()
            gone_better = rate * ahead / left + (1 - rate) * ~is_best
            stays = np.maximum(1 - taken - gone_better, 0) * better
            better = stays + np.append((gone_better * better)[1:], 0)
    return chances
