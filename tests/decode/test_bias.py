"""Branches turned up and down: against weighing by hand, and what a bias must never do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.policy import PrefixBias
from genrec.decode.trie import Trie
from tests.decode.dense import fuse
from tests.decode.exact import exact_scores
from tests.decode.tries import CLOSE, FEW, paths_of, search


def biased_by_hand(scores, paths, bias):
    """PrefixBias exact scores of leaves without a trie: sums of probabilities by prefix.

    Args:
        scores: {leaf: log-probability}, of all allowed leaves.
        paths: Tuples of tokens.
        bias: {prefix: nats}

    Returns:
        {leaf: log-probability}
    """
    mass = {}
    for leaf, score in scores.items():
        for level in range(len(paths[leaf]) + 1):
            prefix = paths[leaf][:level]
            mass[prefix] = mass.get(prefix, 0.0) + math.exp(score)
    biased = {}
    for leaf in scores:
        path, total = paths[leaf], 0.0
        for level in range(len(path)):
            siblings = [one for one in mass if one[:-1] == path[:level] and len(one) == level + 1]
            odds = {one: mass[one] * math.exp(bias.get(one, 0.0)) for one in siblings}
            total += math.log(odds[path[: level + 1]] / sum(odds.values()))
        biased[leaf] = total
    return biased


@st.composite
def questions(draw):
    """A trie with new leaves, filters, sometimes a second opinion, and prefixes to turn."""
    seed = draw(st.integers(0, 10**6))
    paths = paths_of(seed, draw(st.integers(2, 25)))
    leaves = st.integers(0, len(paths) - 1)
    seen = np.ones(len(paths), dtype=bool)
    seen[sorted(draw(st.sets(leaves, max_size=len(paths) - 1)))] = False
    trie = DeviceTrie.from_trie(Trie.build(paths), seen_in_training=seen)
    exclude = sorted(draw(st.sets(leaves, max_size=len(paths) - 1)))
    constraint = Constraint.build(trie, exclude=[exclude])
    fusion = None
    if draw(st.booleans()):
        logits = torch.randn(1, len(paths), generator=torch.Generator().manual_seed(seed))
        fusion = fuse(trie, 2 * logits, 0.5, constraint)
    tuples = [tuple(path) for path in paths.tolist()]
    prefixes = sorted({path[:level] for path in tuples for level in (1, 2, 3)})
    chosen = draw(st.lists(st.sampled_from(prefixes), max_size=4, unique=True))
    bias = {prefix: draw(st.floats(-4, 4)) for prefix in chosen}
    left = [leaf for leaf in range(len(paths)) if leaf not in exclude]
    return seed, tuples, trie, constraint, fusion, bias, left


@FEW
@given(questions())
def test_the_search_tilts_as_by_hand_and_finds_all_that_filters_leave(qwen3, prompts, question):
    seed, paths, trie, constraint, fusion, bias, left = question
    ask = (qwen3, *prompts(seed, 1), trie)
    plain = exact_scores(*ask, constraint, fusion=fusion)[0]
    by_hand = biased_by_hand({leaf: float(plain[leaf]) for leaf in left}, paths, bias)
    expected = torch.full((1, len(paths)), -torch.inf)
    expected[0, left] = torch.tensor([by_hand[leaf] for leaf in left])
    turned = PrefixBias.build(trie, [bias])
    scores = exact_scores(*ask, constraint, fusion=fusion, bias=turned)
    torch.testing.assert_close(scores, expected, **CLOSE)
    torch.testing.assert_close(scores.exp().sum(), torch.tensor(1.0), **CLOSE)
    beams = search(*ask, len(paths), constraint, fusion, turned)
    torch.testing.assert_close(beams.scores, scores.topk(len(paths)).values, **CLOSE)
    found = beams.leaves[0][beams.leaves[0] >= 0].tolist()
    assert sorted(found) == left


@FEW
@given(questions())
def test_no_nats_change_nothing(qwen3, prompts, question):
    seed, _, trie, constraint, fusion, bias, _ = question
    ask = (qwen3, *prompts(seed, 1), trie)
    still = PrefixBias.build(trie, [dict.fromkeys(bias, 0.0)])
    plain = exact_scores(*ask, constraint, fusion=fusion)
    torch.testing.assert_close(exact_scores(*ask, constraint, fusion=fusion, bias=still), plain)


@FEW
@given(questions(), st.floats(0, 5), st.data())
def test_raising_a_prefix_never_lowers_what_lies_under_it(qwen3, prompts, question, nats, data):
    """Whatever else is turned, new leaves and filters among it."""
    seed, paths, trie, constraint, fusion, bias, left = question
    path = paths[data.draw(st.sampled_from(left))]
    prefix = path[: data.draw(st.integers(1, len(path)))]
    under = [leaf for leaf in left if paths[leaf][: len(prefix)] == prefix]
    before, after = (
        exact_scores(
            qwen3,
            *prompts(seed, 1),
            trie,
            constraint,
            fusion=fusion,
            bias=PrefixBias.build(trie, [turned]),
        )[0, under]
        for turned in (bias, {**bias, prefix: bias.get(prefix, 0.0) + nats})
    )
    assert float(after.exp().sum()) >= float(before.exp().sum()) - 1e-5


def test_rows_of_a_batch_have_tilts_of_their_own(qwen3, prompts):
    paths = paths_of(3, 20)
    trie = DeviceTrie.from_trie(Trie.build(paths))
    input_ids, mask = prompts(5, 3)
    first = (int(paths[0, 0]),)
    rows = [{first: 3.0}, {}, {first: -3.0}]
    together = search(qwen3, input_ids, mask, trie, 10, bias=PrefixBias.build(trie, rows))
    for number, bias in enumerate(rows):
        ids, alone = input_ids[number : number + 1], mask[number : number + 1]
        beams = search(qwen3, ids, alone, trie, 10, bias=PrefixBias.build(trie, [bias]))
        assert beams.leaves[0].tolist() == together.leaves[number].tolist()
        torch.testing.assert_close(beams.scores[0], together.scores[number], **CLOSE)


def test_prefixes_that_lead_nowhere_are_passed_over_and_bad_nats_refused():
    trie = DeviceTrie.from_trie(Trie.build([[0, 2], [0, 3], [1, 2]]))
    bias = PrefixBias.build(trie, [{(9,): 1.0, (1, 3): 2.0, (0, 2, 5): 1.0}])
    assert not bias.strength_at(torch.arange(6).view(1, -1)).any()
    for nats in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            PrefixBias.build(trie, [{(0,): nats}])
