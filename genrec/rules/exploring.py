"""Lists in which chance chooses at some ranks, and says how likely each item stood where it does.

Pinned items stay in their places. Where a ranking is no longer than the list, only the order
changes, so that rules of the list as a whole are still kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genrec.experiments import explore
from genrec.schema import EXPLORATION, RULE, Draw, Recommendation


def try_out(
    ranking: Sequence[Recommendation], k: int, rate: float, rng: np.random.Generator
) -> list[Recommendation]:
    """Return a list of ``k`` items.

    Args:
        ranking: Best first, ``k`` or more.
        k: How many.
        rate: Share of ranks at which any item that is left stands with equal chances.
        rng: Where chance comes from.
    """
    pinned = {one.rank: one for one in ranking if one.placed_by == RULE}
    free = {one.item_id: one for one in ranking if one.placed_by != RULE}
    places = {item_id: place for place, item_id in enumerate(free, start=1)}
    drawn = explore(list(free), k - len(pinned), rate, rng)
    left, chosen = list(free), []
    for item_id, propensity in zip(drawn.items, drawn.propensities, strict=True):
        placed_by = None if item_id == left[0] else EXPLORATION
        left.remove(item_id)
        draw = Draw(propensity, places[item_id], rate, len(free))
        chosen.append(replace(free[item_id], placed_by=placed_by, draw=draw))
    others = iter(chosen)
    listed = [pinned.get(rank) or next(others) for rank in range(1, k + 1)]
    return [replace(one, rank=rank) for rank, one in enumerate(listed, start=1)]
