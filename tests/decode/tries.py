"""Small random tries, and how closely and how often the search is held to its oracles."""

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st

from genrec.decode.policy import Policy
from genrec.decode.search import beam_search, run_search
from genrec.decode.tree import PrefillCache

FEW = settings(max_examples=15, deadline=None)
CLOSE = {"atol": 1e-4, "rtol": 0}


@st.composite
def path_tables(draw, max_rows=24):
    num_levels = draw(st.integers(1, 4))
    path = st.tuples(*[st.integers(0, 5)] * num_levels)
    return draw(st.lists(path, min_size=1, max_size=max_rows, unique=True))


def paths_of(seed, num_paths):
    rng = np.random.default_rng(seed)
    rows = np.unique(rng.integers(0, 5, (4 * num_paths, 3)), axis=0)
    return rng.permutation(rows)[:num_paths] + np.array([0, 5, 10])


def search(
    model, input_ids, mask, trie, num_beams, constraint=None, fusion=None, bias=None, wanted=None
):
    """Search under a policy of these parts."""
    policy = Policy(trie, constraint, fusion, bias)
    with torch.inference_mode():
        prompts = PrefillCache(model, input_ids, mask, trie)
        return run_search(beam_search(policy, len(input_ids), num_beams, wanted), prompts)
