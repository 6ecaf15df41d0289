"""Whether an update may serve, by what both models reached. Knows nothing of models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from genrec.evaluate.bootstrap import Interval, paired_difference
from genrec.updates.config import UpdateConfig

SURE_OF_LEAD = 0.99
"""Level of the lead on the newest events: of many updates hardly one is to pass by luck."""
SURE_OF_OLDER = 0.95
"""Level of the lead on older events."""


@dataclass(frozen=True)
class Slice:
    """One part of the events, asked of both models.

    Attributes:
        users: How many were asked about.
        old: Mean of the model that serves.
        new: Mean of the update.
        lead: New minus old, with its paired bootstrap interval over users.
    """

    users: int
    old: float
    new: float
    lead: Interval

    @classmethod
    def of(cls, old: np.ndarray, new: np.ndarray, level: float, seed: int = 0) -> Slice:
        """Compare the same users' metrics. Shape of each: (users,), at least one."""
        lead = paired_difference(new, old, seed, level)
        return cls(len(old), float(np.mean(old)), float(np.mean(new)), lead)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Judgement:
    """What follows from the slices.

    Attributes:
        promote: Whether the update is to serve.
        reason: Why, for people.
    """

    promote: bool
    reason: str


def judge(newest: Slice, older: Slice, config: UpdateConfig) -> Judgement:
    """Promote what is better on the newest events and not worse on older ones.

    "Better" and "not worse" are said of whole intervals: an update is promoted when even the low
    end of its lead on the newest events is above 0, and that on older ones above minus the margin.
    A model that loses most of its skill on the newest events, while users are the same, has met a
    break in the data (IDs exchanged, users mixed up): then no update is trusted, since one that
    learned the break would look best.

    Args:
        newest: Events after all that either model was trained on, of users who were there before.
        older: Events from before, left out of both trainings.
        config: ``fewest_users``, ``margin`` and ``break_share``.
    """
    fewest = min(newest.users, older.users)
    if fewest < config.fewest_users:
        return Judgement(False, f"{fewest} users cannot judge; {config.fewest_users} are needed")
    if newest.old < config.break_share * older.old:
        return Judgement(
            False,
            f"the data broke: what serves reaches {newest.old:.4f} on the newest events and "
            f"{older.old:.4f} on older ones; look at the events before training on them",
        )
    if older.lead.low <= -config.margin * older.old:
        return Judgement(
            False, f"it may be worse on older events: {_show(older.lead)}, {older.old:.4f} before"
        )
    if newest.lead.low <= 0:
        return Judgement(False, f"it is not clearly better on the newest: {_show(newest.lead)}")
    return Judgement(True, f"better on the newest events: {_show(newest.lead)}")


def _show(lead: Interval) -> str:
    return f"{lead.mean:+.4f} NDCG@10 ({lead.low:+.4f} to {lead.high:+.4f})"
