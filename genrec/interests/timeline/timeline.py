"""How a user's interests grew and faded: their weights right after every event.

The same decay as in ``interests.profile.interests``, so the last weights are the profile's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.data.half_life import decay
from genrec.display import ShortRepr
from genrec.interests.profile.interests import HALF_LIFE_EVENTS
from genrec.schema import History, SemanticId
from genrec.semantic_ids.table import NamedCodes


@dataclass(frozen=True, repr=False)
class InterestTimeline(ShortRepr):
    """Weights over time.

    Attributes:
        timestamps: Of every event whose item the table knows, oldest first.
        prefixes: One a series.
        weights: After each event; those of disjoint prefixes sum to at most 1.
            Shape: (number of prefixes, number of events).
    """

    timestamps: tuple[int, ...]
    prefixes: tuple[SemanticId, ...]
    weights: np.ndarray


def interest_timeline(
    history: History, table: NamedCodes, prefixes: Sequence[SemanticId]
) -> InterestTimeline:
    """Return the weights of some interests right after each event.

    Takes time in proportion to events × prefixes: a weight is carried from event to event.

    Args:
        history: Events, oldest first; events of items the table does not know are passed over.
        table: Semantic IDs.
        prefixes: The interests, such as those ``find_interests`` returned.
    """
    events = [event for event in history.events if table.knows(event.item_id)]
    codes = [table.codes_of(event.item_id) for event in events]
    kept = decay(1, HALF_LIFE_EVENTS)
    weights = np.zeros((len(prefixes), len(events)))
    supports = np.array(
        [[code[: len(prefix)] == prefix for code in codes] for prefix in map(tuple, prefixes)],
        dtype=float,
    ).reshape(weights.shape)
    total, sums = 0.0, np.zeros(len(prefixes))
    for place in range(len(events)):
        total = total * kept + 1
        sums = sums * kept + supports[:, place]
        weights[:, place] = sums / total
    return InterestTimeline(
        tuple(event.timestamp for event in events), tuple(map(tuple, prefixes)), weights
    )
