"""A search led by a second opinion: against pooling by hand, and against the exact oracle."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.fusion import LogitFusion
from genrec.decode.leaf_scores import FactoredScores
from genrec.decode.policy import Policy
from genrec.decode.trie import Trie
from tests.decode.dense import NO_SINGLES, dense_scores, fuse
from tests.decode.exact import exact_scores
from tests.decode.tries import CLOSE, FEW, paths_of, search


def pooled_by_hand(model, prompt, paths, allowed, odds, weight):
    """Pool leaf by leaf with whole sequences and dicts. Returns {leaf: score}."""
    below = {}
    for leaf in allowed:
        for level in range(len(paths[leaf]) + 1):
            prefix = paths[leaf][:level]
            below[prefix] = below.get(prefix, 0.0) + odds[leaf]
    scores = {}
    for leaf in allowed:
        path, total = paths[leaf], 0.0
        with torch.inference_mode():
            logits = model(torch.tensor([[*prompt, *path[:-1]]])).logits[0]
        for level, token in enumerate(path):
            at = logits[len(prompt) - 1 + level]
            pooled = {
                prefix[-1]: (1 - weight) * float(at[prefix[-1]]) + weight * math.log(mass)
                for prefix, mass in below.items()
                if prefix[:-1] == path[:level] and len(prefix) == level + 1
            }
            total += pooled[token] - math.log(sum(math.exp(value) for value in pooled.values()))
        scores[leaf] = total
    return scores


@FEW
@given(st.integers(0, 10**6), st.floats(0.05, 1.0), st.data())
def test_the_search_pools_as_by_hand_and_is_exact(qwen3, prompts, seed, weight, data):
    paths = paths_of(seed, data.draw(st.integers(1, 25)))
    everything = range(len(paths))
    exclude = data.draw(st.sets(st.sampled_from(everything), max_size=len(paths) - 1))
    trie = DeviceTrie.from_trie(Trie.build(paths))
    constraint = Constraint.build(trie, exclude=[sorted(exclude)])
    leaf_logits = 3 * torch.randn(1, len(paths), generator=torch.Generator().manual_seed(seed))
    fusion = fuse(trie, leaf_logits, weight, constraint)
    input_ids, mask = prompts(seed, 1)
    left = sorted({*everything} - exclude)
    odds = leaf_logits[0].exp().tolist()
    tuples = [tuple(path) for path in paths.tolist()]
    by_hand = pooled_by_hand(qwen3, input_ids[0].tolist(), tuples, left, odds, weight)
    scores = exact_scores(qwen3, input_ids, mask, trie, constraint, fusion=fusion)
    expected = torch.full((1, len(paths)), -torch.inf)
    expected[0, left] = torch.tensor([by_hand[leaf] for leaf in left])
    torch.testing.assert_close(scores, expected, **CLOSE)
    torch.testing.assert_close(scores.exp().sum(), torch.tensor(1.0), **CLOSE)
    beams = search(qwen3, input_ids, mask, trie, len(paths), constraint, fusion)
    best = scores.topk(len(paths)).values
    torch.testing.assert_close(beams.scores, best, **CLOSE)


@FEW
@given(st.integers(0, 10**6), st.data())
def test_a_tilt_raises_by_mean_odds_and_leaves_the_lm_as_it_is_where_nothing_is_scored(seed, data):
    paths = paths_of(seed, data.draw(st.integers(2, 25)))
    exclude = data.draw(st.sets(st.sampled_from(range(len(paths))), max_size=len(paths) - 1))
    trie = DeviceTrie.from_trie(Trie.build(paths))
    constraint = Constraint.build(trie, exclude=[sorted(exclude)])
    scored = data.draw(st.dictionaries(st.sampled_from(range(len(paths))), st.floats(0, 5)))
    scores = torch.zeros(1, len(paths))
    scores[0, list(scored)] = torch.tensor(list(scored.values()))
    policy = Policy(
        trie, constraint, LogitFusion.tilt(trie, dense_scores(trie, scores), constraint)
    )
    children = policy.expand(torch.zeros(1, 1, dtype=torch.int64))
    logits = torch.randn(children.tokens.shape, generator=torch.Generator().manual_seed(seed))
    expected = {}
    for place, token in enumerate(children.tokens[0, 0].tolist()):
        below = [leaf for leaf, path in enumerate(paths.tolist()) if path[0] == token]
        left = [math.exp(scores[0, leaf]) for leaf in below if leaf not in exclude]
        if left and children.allowed[0, 0, place]:
            expected[place] = math.exp(logits[0, 0, place]) * sum(left) / len(left)
    found = policy.apply(logits, children)[0, 0].exp()
    for place, odds in expected.items():
        assert found[place] == pytest.approx(odds / sum(expected.values()), abs=1e-5)
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_alone_it_ranks_as_its_own_scores_do(qwen3, prompts):
    """With the whole weight the LM has no say: the leaves come in the order of their odds."""
    paths = paths_of(1, 30)
    trie = DeviceTrie.from_trie(Trie.build(paths))
    leaf_logits = torch.randn(2, len(paths), generator=torch.Generator().manual_seed(4))
    beams = search(qwen3, *prompts(0, 2), trie, len(paths), fusion=fuse(trie, leaf_logits, 1.0))
    assert torch.equal(beams.leaves, leaf_logits.argsort(descending=True))
    torch.testing.assert_close(
        beams.scores, leaf_logits.log_softmax(-1).sort(descending=True).values, **CLOSE
    )


def test_a_new_child_enters_with_an_equal_share_of_the_lm_and_its_odds_of_the_second_model():
    """Three children, the last one new: the LM gives it a third, whatever its logit says."""
    trie = DeviceTrie.from_trie(
        Trie.build([[0], [1], [2]]), seen_in_training=np.array([True, True, False])
    )
    odds, weight = torch.tensor([[1.0, 2.0, 5.0]]), 0.4
    policy = Policy(trie, fusion=fuse(trie, odds.log(), weight))
    found = policy.apply(
        torch.tensor([[[0.0, math.log(3), 99.0]]]), policy.expand(torch.zeros(1, 1, dtype=int))
    )
    lm = torch.tensor([2 / 3 * 1 / 4, 2 / 3 * 3 / 4, 1 / 3])
    pooled = lm ** (1 - weight) * odds[0] ** weight
    torch.testing.assert_close(found[0, 0].exp(), pooled / pooled.sum())


def test_odds_too_small_for_sums_still_count():
    """A node whose leaves are all but impossible keeps the proportions among its children."""
    trie = DeviceTrie.from_trie(Trie.build([[0, 2], [0, 3], [1, 2], [1, 3]]))
    logits = torch.tensor([[0.0, 0.0, -300.0, -301.0]])
    nodes = torch.arange(7)[None]
    below = fuse(trie, logits, 0.5).at(nodes, torch.ones_like(nodes, dtype=torch.bool))[0]
    assert below.isfinite().all()
    torch.testing.assert_close(below[5] - below[6], torch.tensor(1.0))
    torch.testing.assert_close(below[2], torch.tensor([-300.0, -301.0]).logsumexp(0))


def test_bad_weights_and_shapes_are_refused():
    trie = DeviceTrie.from_trie(Trie.build([[0, 1], [0, 2]]))
    for weight in (0.0, -1.0, 1.5, math.nan):
        with pytest.raises(ValueError, match="weight"):
            fuse(trie, torch.zeros(1, 2), weight)
    with pytest.raises(ValueError, match="3 scores, 2 leaves"):
        LogitFusion.build(
            trie, FactoredScores.of(torch.zeros(3, 1), torch.ones(1, 1), NO_SINGLES), 1
        )
