"""Interests by windows of time: how far they drift from one to the next, and where they turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import jensenshannon

MOST_WINDOWS = 12
"""Windows a history is cut into where nothing else is said."""
TURN = 2.0
"""Median absolute deviations above the median from which a drift is a change point."""


@dataclass(frozen=True)
class Window:
    """A stretch of a history.

    Attributes:
        start: Seconds; the window holds the events from here to before ``end``.
        end: Seconds.
        num_events: Events in it, at least 1.
        shares: Mean distribution over its events. Shape: (K,).
        drift: Jensen-Shannon divergence in bits, 0 to 1, from the window before; 0 for the first.
        is_change: Whether the interests turned between the window before and this one.
    """

    start: int
    end: int
    num_events: int
    shares: np.ndarray
    drift: float
    is_change: bool


def cut_windows(
    timestamps: Sequence[int], distributions: np.ndarray, seconds: int | None = None
) -> list[Window]:
    """Cut a history into windows of equal time; those without events are left out.

    Args:
        timestamps: Of the events, ascending.
        distributions: After each event. Shape: (n, K).
        seconds: Length of a window; None: a twelfth of the history's time.
    """
    if not len(timestamps):
        return []
    times = np.asarray(timestamps)
    span = int(times[-1] - times[0]) + 1
    seconds = seconds or max(1, -(-span // MOST_WINDOWS))
    numbers = (times - times[0]) // seconds
    present = np.unique(numbers)
    shares = np.stack([distributions[numbers == number].mean(axis=0) for number in present])
    drifts = np.array([0.0, *map(drift, shares[:-1], shares[1:])])
    return [
        Window(
            start=int(times[0] + number * seconds),
            end=int(times[0] + (number + 1) * seconds),
            num_events=int((numbers == number).sum()),
            shares=share,
            drift=float(far),
            is_change=bool(turns),
        )
        for number, share, far, turns in zip(present, shares, drifts, _turns(drifts), strict=True)
    ]


def drift(first: np.ndarray, second: np.ndarray) -> float:
    """Return the Jensen-Shannon divergence of two distributions in bits, 0 to 1."""
    distance = jensenshannon(first, second, base=2)
    # Of equal distributions rounding can make the root of a negative number.
    return float(np.nan_to_num(distance) ** 2)


def _turns(drifts: np.ndarray) -> np.ndarray:
    """Tell which drifts stand out among those of their history. Shape: that of ``drifts``."""
    later = drifts[1:]
    if len(later) < 3:
        return np.zeros(len(drifts), dtype=bool)
    middle = np.median(later)
    spread = np.median(np.abs(later - middle))
    return np.concatenate([[False], later > middle + TURN * max(spread, 1e-3)])
