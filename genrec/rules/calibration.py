"""What it costs a list to be unlike its user's history: calibration, step by step.

Enters: how often each kind of item stands in a history. Leaves: what each further item of a kind
costs a list. Must not know items or users.

Source: Steck, Calibrated recommendations, RecSys 2018: the divergence KL(p‖q) of the history's
shares p from the list's q, smoothed as there; with groups of popularity as kinds this is the
calibrated popularity of Abdollahpouri et al., arXiv 2103.06364. Differs: the cost of a list is a
sum of convex functions of how many it holds of each kind, so the best list is found exactly
(``selection``), where theirs is built item by item.
"""

from __future__ import annotations

import numpy as np

SMOOTHING = 0.01
"""Steck's alpha: so much of the history's shares is in the list's, or a kind that is left out would
cost without bounds."""


def kind_steps(share: float, nats: float, k: int) -> np.ndarray:
    """Return what each further item of a kind adds to ``nats * k * KL(p‖q)`` of a list.

    Args:
        share: Of the kind in the history, above 0.
        nats: Strength.
        k: Length of the list.

    Returns:
        All below 0, none less than the one before. Shape: (k,), float64.
    """
    shares = (1 - SMOOTHING) * np.arange(k + 1) / k + SMOOTHING * share
    steps: np.ndarray = np.diff(-nats * k * share * np.log(shares))
    return steps
