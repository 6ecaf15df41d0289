"""What a ranker learned from, and how far the data settles its questions.

A ranker that counts, samples or factorizes events says so in an attribute ``provenance``: a mapping
from what it made ("item_counts", "negatives", "behaviour": weights or vectors, "selection": which
of them were kept) to the last split it looked at ("upto") and, where there is one, a hash by which
that claim is checked. Reports carry it on.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from genrec.data import Dataset
from genrec.schema import SPLITS, Ranker, Split


def provenance_of(ranker: Ranker) -> dict[str, Any]:
    """Return what a ranker says that it learned from; empty where it says nothing."""
    return dict(getattr(ranker, "provenance", {}))


def hash_counts(counts: np.ndarray) -> str:
    """Return a hash of events by item, in the catalogue's order. Shape: (items,)."""
    return hashlib.sha256(np.asarray(counts, dtype="<i8").tobytes()).hexdigest()[:16]


def counts_upto(data: Dataset) -> dict[str, Split]:
    """Return the hash of the items' event counts up to each split, with that split."""
    found: dict[str, Split] = {}
    for split in SPLITS:
        counts = data.interactions(split).item_counts
        # The earlier split wins: a split without events teaches nothing.
        found.setdefault(hash_counts(counts), split)
    return found


def tied_share(data: Dataset, split: Split) -> float:
    """Return the share of asked users whose targets depend on the order of simultaneous events.

    Theirs is an event of the split with the very timestamp of a neighbour outside it: exchange
    the two lines of the file, and the question is another one.
    """
    place = SPLITS.index(split)
    events = data.interactions("test")
    ends = [np.zeros(events.num_users, dtype=np.int64)]
    for name in SPLITS:
        users = data.interactions(name).user_index
        ends.append(np.bincount(users, minlength=events.num_users))
    first = np.cumsum(ends[-1]) - ends[-1]
    before, upto = ends[place], ends[place + 1]
    asked = (before > 0) & (upto > before)
    tied = np.zeros(events.num_users, dtype=bool)
    for boundary in (before, upto):
        inside = np.flatnonzero(asked & (boundary < ends[-1]))
        after = first[inside] + boundary[inside]
        tied[inside] |= events.timestamp[after] == events.timestamp[after - 1]
    return float(tied[asked].mean()) if asked.any() else 0.0
