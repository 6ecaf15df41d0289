"""How many nats "more of it" and "less of it" take: as many as somebody's own odds need.

One strength for everybody is too much for who has a lot of it already, whose list then holds little
else, and too little for who has next to none. So a wish says which share of the odds is wanted, and
the nats follow from the share that there is.
"""

from __future__ import annotations

import numpy as np

from genrec.schema import Turned

# Chosen with the scores of whole catalogues; docs/lab-notes.md, Steering.
GAINED = 0.05
"""What "more" takes of the share that everything else holds."""
MOST_NATS = 3.0
"""What "more" adds at most: what is all but impossible is not made up."""
LEFT = 0.01
"""What "less" leaves of a share."""

LEAST_SHARE = 1e-9


def nats_to_turn(want: Turned, share: float) -> float:
    """Return what is added to the log-odds of a share, below 0 for less.

    Args:
        want: Whether it is to grow.
        share: Of all odds, 0 to 1.

    Examples:
        >>> round(nats_to_turn("more", 0.5), 1), round(nats_to_turn("more", 0.01), 1)
        (0.1, 1.8)
        >>> nats_to_turn("more", 0.0), round(nats_to_turn("less", 0.5), 2)
        (3.0, -5.29)
    """
    share = min(max(share, LEAST_SHARE), 1 - LEAST_SHARE)
    if want == "less":
        return _log_odds(LEFT * share) - _log_odds(share)
    return min(_log_odds(share + GAINED * (1 - share)) - _log_odds(share), MOST_NATS)


def share_of(mask: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of some items in the odds of those that were found; 0 where none was.

    Args:
        mask: Which are meant. Shape: (n,), bool.
        scores: Log-probabilities, or anything that ranks like them. Shape: (n,).
    """
    if not len(scores):
        return 0.0
    odds = np.exp(scores - scores.max())
    return float(odds[mask].sum() / odds.sum())


def _log_odds(share: float) -> float:
    return float(np.log(share) - np.log1p(-share))
