"""Are as many users in each arm as its weight says? If not, an experiment's result is no result.

Enters: users of each arm and the shares that were meant. Leaves: a p-value that holds at any look.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

MISMATCH_P = 0.01
"""Below it the arms are taken to have other users than were assigned to them."""
CONCENTRATION = 1000.0
"""Of the prior over the shares that a fault leaves: most lie within 3 points of those meant."""


def sample_ratio_p(counts: np.ndarray, shares: np.ndarray) -> float:
    """Return the anytime-valid p-value of "users fall into arms by these shares".

    One over the Bayes factor of a Dirichlet prior around the shares: a test martingale, so the
    chance that it ever falls below p is at most p however often it is looked at.

    Args:
        counts: Users of each arm. Shape: (A,).
        shares: What each arm was to get; sums to 1, all above 0. Shape: (A,).

    Source:
        Lindon and Malek, Anytime-valid inference for multinomial count data, arXiv 2011.03567.

    Examples:
        >>> sample_ratio_p(np.array([5000, 5000]), np.array([0.5, 0.5]))
        1.0
        >>> sample_ratio_p(np.array([5000, 5500]), np.array([0.5, 0.5])) < MISMATCH_P
        True
    """
    prior = CONCENTRATION * shares
    log_factor = gammaln(prior.sum()) - gammaln(prior.sum() + counts.sum())
    log_factor += (gammaln(prior + counts) - gammaln(prior) - counts * np.log(shares)).sum()
    return float(min(1.0, np.exp(-log_factor)))
