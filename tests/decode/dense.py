"""Fusion of scores that are all there, as a product with the identity."""

import torch

from genrec.decode.fusion import LogitFusion
from genrec.decode.leaf_scores import FactoredScores, SingleScores

NO_SINGLES = SingleScores(*(torch.zeros(0, dtype=torch.int64) for _ in range(2)), torch.zeros(0))


def dense_scores(trie, leaf_logits):
    """Return the scores of leaves. Shape of logits: (B, num_leaves)."""
    by_place = leaf_logits.float().T[trie.leaf_at.long()]
    return FactoredScores.of(by_place, torch.eye(len(leaf_logits)), NO_SINGLES)


def fuse(trie, leaf_logits, weight, constraint=None):
    """Build a fusion of such scores."""
    return LogitFusion.build(trie, dense_scores(trie, leaf_logits), weight, constraint)
