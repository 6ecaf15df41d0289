"""Transition counts that follow live events: as if all histories were counted anew.

Enters: the votes of a training, and users' histories as they are now, with what of them the
training counted. Leaves: votes. Needs no torch, and must not know where events come from.

What a user adds is a difference: the pairs of their history now, less those of the part that was
counted. So an event that arrives late changes the distances between others, and a user who is
forgotten takes back exactly what they added.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse

from genrec.model.transition_counts import REACH, to_counts, to_votes

UNIT = math.lcm(*range(1, REACH + 1))
"""A pair of neighbours counts as much in whole numbers: sums and differences leave no rest."""

Pair = int
"""Two items as one number, the earlier one's row times the number of items and the later one's."""


class LiveEvent(NamedTuple):
    """One event of a history.

    Attributes:
        row: Of its item; None: an item that is not counted, which still takes a place.
        is_counted: Whether the training counted it.
    """

    row: int | None
    is_counted: bool


class LiveCounts:
    """Counts of a training, and what each user's live events add to them."""

    def __init__(self, votes: sparse.csr_array) -> None:
        """Begin with the votes of ``count_transitions``. Shape: (N, N)."""
        self._counted = to_counts(votes)
        self._num_items = votes.shape[0]
        self._added = Counter[Pair]()
        # Counters of a hundred thousand users would take 200 MB.
        self._of_user: dict[str, np.ndarray] = {}
        """Pairs and what each user's events added to them. Shape of each: (P, 2), int64."""

    @property
    def users(self) -> Iterable[str]:
        """Who has added something."""
        return self._of_user.keys()

    @property
    def pairs(self) -> int:
        """How many different pairs live events have added to, or taken from."""
        return len(self._added)

    def put(self, user_id: str, history: Sequence[LiveEvent]) -> None:
        """Count a user's history, in place of what was known of it; an empty one takes all back."""
        change = self._pairs([event.row for event in history])
        change.subtract(self._pairs([event.row for event in history if event.is_counted]))
        packed = self._of_user.pop(user_id, None)
        before = Counter() if packed is None else Counter(dict(packed.tolist()))
        change = Counter({pair: count for pair, count in change.items() if count})
        if change:
            self._of_user[user_id] = np.array(list(change.items()))
        for pair in {*before, *change}:
            self._added[pair] += change[pair] - before[pair]
            if not self._added[pair]:
                del self._added[pair]

    def votes(self) -> sparse.csr_array:
        """Return the votes of all that is counted now. Shape: (N, N)."""
        if not self._added:
            return to_votes(self._counted)
        places = np.divmod(np.array(list(self._added)), self._num_items)
        added = np.array(list(self._added.values())) / UNIT
        live = sparse.csr_array((added, places), shape=self._counted.shape)
        # A training that counted less of a user than it said cannot be taken below nothing.
        return to_votes((self._counted + live).maximum(0).tocsr())

    def _pairs(self, rows: Sequence[int | None]) -> Counter[Pair]:
        """Return what each pair counts, in units: an item ``n`` events later a unit over n."""
        found = Counter[Pair]()
        for place, later in enumerate(rows):
            for distance in range(1, min(REACH, place) + 1):
                earlier = rows[place - distance]
                if earlier is not None and later is not None and earlier != later:
                    found[earlier * self._num_items + later] += UNIT // distance
        return found
