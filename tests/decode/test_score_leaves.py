"""Scores of given leaves, and prompts that share a beginning, against the exact oracle."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode import tree
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.policy import Policy, PrefixBias
from genrec.decode.tree import PrefillCache, score_after
from genrec.decode.trie import Trie
from tests.decode.dense import fuse
from tests.decode.exact import exact_scores
from tests.decode.tries import CLOSE, FEW


def trie_of(seed, num_paths, num_levels=3, new=()):
    """Some nodes have one child and some many."""
    rng = np.random.default_rng(seed)
    rows = np.unique(np.minimum(rng.geometric(0.3, (9 * num_paths, num_levels)) - 1, 9), axis=0)
    rows = rng.permutation(rows)[:num_paths] + 10 * np.arange(num_levels)
    seen = np.ones(len(rows), dtype=bool)
    seen[[one % len(rows) for one in new]] = False
    return DeviceTrie.from_trie(Trie.build(rows), seen_in_training=seen)


@FEW
@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans(), st.booleans(), st.data())
def test_leaves_are_scored_as_the_oracle_does(
    model, prompts, seed, num_levels, fused, biased, data
):
    numbers = st.integers(0, 10**6)
    trie = trie_of(seed, 12, num_levels, data.draw(st.lists(numbers, max_size=4)))
    leaf = st.integers(0, trie.num_leaves - 1)
    input_ids, mask = prompts(seed, 2)
    exclude = [data.draw(st.lists(leaf, max_size=4, unique=True)) for _ in range(2)]
    constraint = Constraint.build(trie, exclude)
    fusion = bias = None
    if fused:
        logits = torch.randn(2, trie.num_leaves, generator=torch.Generator().manual_seed(seed))
        fusion = fuse(trie, logits, 0.4, constraint)
    if biased:
        bias = PrefixBias.build(trie, [{(int(trie.tokens[1]),): 1.5}, {}])
    leaves = torch.tensor([data.draw(st.lists(leaf, min_size=3, max_size=3)) for _ in range(2)])
    exact = exact_scores(model, input_ids, mask, trie, constraint, fusion=fusion, bias=bias)
    read = PrefillCache(model, input_ids, mask, trie)
    found = score_after(read, Policy(trie, constraint, fusion, bias), leaves)
    torch.testing.assert_close(found, exact.gather(1, leaves), **CLOSE)
    again = score_after(read, Policy(trie, constraint, fusion, bias), leaves)
    torch.testing.assert_close(again, found, **CLOSE)


def test_many_leaves_are_scored_in_parts(qwen3, prompts, monkeypatch):
    monkeypatch.setattr(tree, "LEAVES_AT_ONCE", 7)
    trie = trie_of(4, 40)
    input_ids, mask = prompts(4, 3)
    everything = torch.arange(trie.num_leaves).expand(3, -1)
    read = PrefillCache(qwen3, input_ids, mask, trie)
    exact = exact_scores(qwen3, input_ids, mask, trie)
    torch.testing.assert_close(score_after(read, Policy(trie), everything), exact, **CLOSE)
    assert score_after(read, Policy(trie), everything[:, :0]).shape == (3, 0)


@FEW
@given(st.integers(0, 10**6), st.data())
def test_branches_of_a_prompt_are_read_as_whole_prompts_are(model, seed, data):
    """Rests of different lengths behind beginnings of different lengths."""
    token = st.integers(0, 47)
    trunk = data.draw(st.lists(token, min_size=2, max_size=9))
    shared = [data.draw(st.integers(1, len(trunk))) for _ in range(3)]
    rests = [data.draw(st.lists(token, min_size=1, max_size=6)) for _ in shared]
    trie = trie_of(seed, 15)
    leaves = torch.arange(trie.num_leaves).expand(3, -1)
    width = max(map(len, rests))
    rest_ids = torch.tensor([[7] * (width - len(rest)) + rest for rest in rests])
    rest_mask = torch.tensor([[0] * (width - len(rest)) + [1] * len(rest) for rest in rests])
    ids = torch.tensor([trunk])
    read = PrefillCache(model, ids, torch.ones_like(ids), trie)
    # The trunk may have been decoded from before: what was appended must not be seen.
    score_after(read, Policy(trie), leaves[:1])
    branches = read.fork(torch.tensor(shared), rest_ids, rest_mask)
    found = score_after(branches, Policy(trie), leaves)
    for number, (count, rest) in enumerate(zip(shared, rests, strict=True)):
        whole = torch.tensor([[*trunk[:count], *rest]])
        exact = exact_scores(model, whole, torch.ones_like(whole), trie)
        torch.testing.assert_close(found[number : number + 1], exact, **CLOSE)


def test_a_trie_of_another_vocabulary_is_refused(qwen3, prompts):
    trie = DeviceTrie.from_trie(Trie.build([[0, 100], [1, 101]]))
    with pytest.raises(ValueError, match="token 101, the model knows 48"):
        PrefillCache(qwen3, *prompts(0, 1), trie)
