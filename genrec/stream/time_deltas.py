"""Time since the last event, in words.

Coarse phrases, so that each is seen often enough to be learned and, in a from-scratch base, is a
single token.
"""

from __future__ import annotations

from bisect import bisect_right

MINUTE = 60
DAY = 24 * 60 * MINUTE

START = "start"

_PHRASES: tuple[tuple[int, str], ...] = (
    (0, "right after"),
    (10 * MINUTE, "same day"),
    (DAY, "1 day later"),
    (2 * DAY, "2 days later"),
    (3 * DAY, "3 days later"),
    (4 * DAY, "4 days later"),
    (7 * DAY, "1 week later"),
    (14 * DAY, "2 weeks later"),
    (21 * DAY, "3 weeks later"),
    (30 * DAY, "1 month later"),
    (60 * DAY, "2 months later"),
    (90 * DAY, "3 months later"),
    (180 * DAY, "6 months later"),
    (365 * DAY, "1 year later"),
    (730 * DAY, "2 years later"),
)
_FLOORS = [floor for floor, _ in _PHRASES]

PHRASES: tuple[str, ...] = (START, *(phrase for _, phrase in _PHRASES))
"""Every phrase that ``bucket`` can return."""


def bucket(previous: int | None, now: int) -> str:
    """Return the time from ``previous`` to ``now`` in words, rounded down to a phrase.

    Args:
        previous: Seconds; None for the first event.
        now: Seconds; a time before ``previous`` counts as the same moment.

    Examples:
        >>> bucket(0, 26 * 3600)
        '1 day later'
    """
    if previous is None:
        return START
    return _PHRASES[bisect_right(_FLOORS, max(now - previous, 0)) - 1][1]
