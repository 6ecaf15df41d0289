"""Small random tries, and how closely and how often the search is held to its oracles."""

import numpy as np
import torch
from hypothesis import settings

from genrec.decode.policy import Policy
from genrec.decode.search import beam_search, run_search
from genrec.decode.tree import PrefillCache

FEW = settings(max_examples=15, deadline=None)
CLOSE = {"atol": 1e-4, "rtol": 0}


def paths_of(seed, num_paths):
    rng = np.random.default_rng(seed)
    rows = np.unique(rng.integers(0, 5, (4 * num_paths, 3)), axis=0)
    return rng.permutation(rows)[:num_paths] + np.array([0, 5, 10])


def search(model, input_ids, mask, trie, num_beams, constraint=None, fusion=None, bias=None):
    """Search under a policy of these parts."""
    policy = Policy(trie, constraint, fusion, bias)
    with torch.inference_mode():
        prompts = PrefillCache(model, input_ids, mask, trie)
        return run_search(beam_search(policy, len(input_ids), num_beams), prompts)
