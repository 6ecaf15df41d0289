"""Which words set a group of items apart from the other groups.

Source: class TF-IDF as in BERTopic, arXiv 2203.05794, section 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def class_tfidf(counts: csr_array) -> csr_array:
    """Return tf x log(1 + A / f): f of a word over all classes, A words of a mean class.

    Args:
        counts: How often each class uses each word. Shape: (classes, words).
    """
    if counts.nnz == 0:
        return counts
    sizes, everywhere = counts.sum(axis=1), counts.sum(axis=0)
    weights = counts.astype(np.float64)
    weights.data /= np.repeat(sizes, np.diff(counts.indptr))
    weights.data *= np.log1p(sizes.mean() / everywhere[counts.indices])
    return weights


def contrast(shares: np.ndarray, lift: np.ndarray) -> np.ndarray:
    """Return share x log(lift): high where a phrase covers a group and is rarer elsewhere.

    Differs from ``class_tfidf``: a phrase counts once per item, and is compared with one
    surrounding group instead of all classes.

    Args:
        shares: Share of the group's items that have each phrase. Shape: (n,).
        lift: That share divided by the share elsewhere. Shape: (n,).
    """
    result: np.ndarray = shares * np.log(lift)
    return result
