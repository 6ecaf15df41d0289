"""Branches turned up and down: against weighing by hand, and what a tilt must never do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode.bias import Tilt
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.fusion import Guide
from genrec.decode.search import tree_beam_search
from genrec.decode.trie import Trie
from tests.decode.exact import exact_scores
from tests.decode.tries import CLOSE, FEW, paths_of


def tilted_by_hand(scores, paths, tilt):
    """Tilt exact scores of leaves without a trie: sums of probabilities by prefix.

    Args:
        scores: {leaf: log-probability}, of all allowed leaves.
        paths: Tuples of tokens.
        tilt: {prefix: nats}

    Returns:
        {leaf: log-probability}
    """
    mass = {}
    for leaf, score in scores.items():
        for level in range(len(paths[leaf]) + 1):
            prefix = paths[leaf][:level]
            mass[prefix] = mass.get(prefix, 0.0) + math.exp(score)
    tilted = {}
    for leaf in scores:
        path, total = paths[leaf], 0.0
        for level in range(len(path)):
            siblings = [one for one in mass if one[:-1] == path[:level] and len(one) == level + 1]
            odds = {one: mass[one] * math.exp(tilt.get(one, 0.0)) for one in siblings}
            total += math.log(odds[path[: level + 1]] / sum(odds.values()))
        tilted[leaf] = total
    return tilted


@st.composite
def questions(draw):
    """A trie with new leaves, filters, sometimes a second opinion, and prefixes to turn."""
    seed = draw(st.integers(0, 10**6))
    paths = paths_of(seed, draw(st.integers(2, 25)))
    leaves = st.integers(0, len(paths) - 1)
    learned = np.ones(len(paths), dtype=bool)
    learned[sorted(draw(st.sets(leaves, max_size=len(paths) - 1)))] = False
    trie = DeviceTrie.put(Trie.build(paths), learned=learned)
    exclude = sorted(draw(st.sets(leaves, max_size=len(paths) - 1)))
    constraint = Constraint.build(trie, exclude=[exclude])
    guide = None
    if draw(st.booleans()):
        logits = torch.randn(1, len(paths), generator=torch.Generator().manual_seed(seed))
        guide = Guide.build(trie, 2 * logits, 0.5, constraint)
    tuples = [tuple(path) for path in paths.tolist()]
    prefixes = sorted({path[:level] for path in tuples for level in (1, 2, 3)})
    chosen = draw(st.lists(st.sampled_from(prefixes), max_size=4, unique=True))
    tilt = {prefix: draw(st.floats(-4, 4)) for prefix in chosen}
    left = [leaf for leaf in range(len(paths)) if leaf not in exclude]
    return seed, tuples, trie, constraint, guide, tilt, left


@FEW
@given(questions())
def test_the_search_tilts_as_by_hand_and_finds_all_that_filters_leave(qwen3, prompts, question):
    seed, paths, trie, constraint, guide, tilt, left = question
    ask = (qwen3, *prompts(seed, 1), trie)
    plain = exact_scores(*ask, constraint, guide=guide)[0]
    by_hand = tilted_by_hand({leaf: float(plain[leaf]) for leaf in left}, paths, tilt)
    expected = torch.full((1, len(paths)), -torch.inf)
    expected[0, left] = torch.tensor([by_hand[leaf] for leaf in left])
    turned = Tilt.build(trie, [tilt])
    scores = exact_scores(*ask, constraint, guide=guide, tilt=turned)
    torch.testing.assert_close(scores, expected, **CLOSE)
    torch.testing.assert_close(scores.exp().sum(), torch.tensor(1.0), **CLOSE)
    beams = tree_beam_search(*ask, len(paths), constraint, guide, turned)
    torch.testing.assert_close(beams.scores, scores.topk(len(paths)).values, **CLOSE)
    found = beams.leaves[0][beams.leaves[0] >= 0].tolist()
    assert sorted(found) == left


@FEW
@given(questions())
def test_no_nats_change_nothing(qwen3, prompts, question):
    seed, _, trie, constraint, guide, tilt, _ = question
    ask = (qwen3, *prompts(seed, 1), trie)
    still = Tilt.build(trie, [dict.fromkeys(tilt, 0.0)])
    plain = exact_scores(*ask, constraint, guide=guide)
    torch.testing.assert_close(exact_scores(*ask, constraint, guide=guide, tilt=still), plain)


@FEW
@given(questions(), st.floats(0, 5), st.data())
def test_raising_a_prefix_never_lowers_what_lies_under_it(qwen3, prompts, question, nats, data):
    """Whatever else is turned, new leaves and filters among it."""
    seed, paths, trie, constraint, guide, tilt, left = question
    path = paths[data.draw(st.sampled_from(left))]
    prefix = path[: data.draw(st.integers(1, len(path)))]
    under = [leaf for leaf in left if paths[leaf][: len(prefix)] == prefix]
    before, after = (
        exact_scores(
            qwen3, *prompts(seed, 1), trie, constraint, guide=guide, tilt=Tilt.build(trie, [turned])
        )[0, under]
        for turned in (tilt, {**tilt, prefix: tilt.get(prefix, 0.0) + nats})
    )
    assert float(after.exp().sum()) >= float(before.exp().sum()) - 1e-5


def test_rows_of_a_batch_have_tilts_of_their_own(qwen3, prompts):
    paths = paths_of(3, 20)
    trie = DeviceTrie.put(Trie.build(paths))
    input_ids, mask = prompts(5, 3)
    first = (int(paths[0, 0]),)
    rows = [{first: 3.0}, {}, {first: -3.0}]
    together = tree_beam_search(qwen3, input_ids, mask, trie, 10, tilt=Tilt.build(trie, rows))
    for number, tilt in enumerate(rows):
        ids, alone = input_ids[number : number + 1], mask[number : number + 1]
        beams = tree_beam_search(qwen3, ids, alone, trie, 10, tilt=Tilt.build(trie, [tilt]))
        assert beams.leaves[0].tolist() == together.leaves[number].tolist()
        torch.testing.assert_close(beams.scores[0], together.scores[number], **CLOSE)


def test_prefixes_that_lead_nowhere_are_passed_over_and_bad_nats_refused():
    trie = DeviceTrie.put(Trie.build([[0, 2], [0, 3], [1, 2]]))
    tilt = Tilt.build(trie, [{(9,): 1.0, (1, 3): 2.0, (0, 2, 5): 1.0}])
    assert not tilt.at(torch.arange(6).view(1, -1)).any()
    for nats in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            Tilt.build(trie, [{(0,): nats}])
