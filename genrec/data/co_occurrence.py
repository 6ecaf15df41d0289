"""Pairs of events that lie close together in one user's history."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def close_pairs(users: np.ndarray, window: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield all pairs of events of one user, grouped by how many events apart they are.

    Args:
        users: The user of each event; a user's events lie together, oldest first. Shape: (n,).
        window: Largest distance in events.

    Yields:
        The distance, 1 to ``window``; the positions of the earlier events, ascending; and those
        of the later ones.

    Example:
        >>> [(d, a.tolist(), b.tolist()) for d, a, b in close_pairs(np.array([7, 7, 7, 9]), 2)]
        [(1, [0, 1], [1, 2]), (2, [0], [2])]
    """
    for distance in range(1, window + 1):
        earlier = np.flatnonzero(users[distance:] == users[:-distance])
        yield distance, earlier, earlier + distance
