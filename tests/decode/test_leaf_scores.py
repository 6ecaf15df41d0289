"""Scores of leaves by factors, and their sums by blocks: against all of them at once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.decode import device_trie, fusion
from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.fusion import LogitFusion
from genrec.decode.leaf_scores import FactoredScores, SingleScores
from genrec.decode.trie import Trie
from tests.decode.tries import paths_of

NUM_ROWS = 3


def random_scores(trie, seed, num_singles, scale):
    """Return scores by factors, and the same as a table. Shape: (num_leaves, B)."""
    draw = torch.Generator().manual_seed(seed)
    vectors = scale * torch.randn(trie.num_leaves, 4, generator=draw)
    queries = torch.randn(NUM_ROWS, 4, generator=draw)
    rows = torch.randint(NUM_ROWS, (num_singles,), generator=draw)
    places = torch.randint(trie.num_leaves, (num_singles,), generator=draw)
    values = torch.randn(num_singles, generator=draw)
    dense = vectors @ queries.T
    for row, place, value in zip(rows, places, values, strict=True):
        dense[place, row] += value
    singles = SingleScores(rows, places, values)
    return FactoredScores.of(vectors, queries, singles), dense


def leaves_below(trie, node):
    """Return the places below a node, by walking down."""
    first, last = node, node
    while first < trie.level_start[-2]:
        first, last = int(trie.first_child[first]), int(trie.first_child[last + 1]) - 1
    return range(first - trie.level_start[-2], last - trie.level_start[-2] + 1)


@settings(max_examples=50)
@given(
    st.integers(0, 10**6),
    st.integers(1, 40),
    st.integers(1, 9),
    st.integers(0, 12),
    st.sampled_from([1.0, 200.0]),
    st.sampled_from([0, fusion.KEPT_LEAVES]),
    st.data(),
)
def test_sums_by_blocks_are_those_of_all_allowed_leaves(
    seed, count, size, singles, scale, kept, data
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_trie, "BLOCK_LEAVES", size)
        patch.setattr(fusion, "KEPT_LEAVES", kept)
        trie = DeviceTrie.from_trie(Trie.build(paths_of(seed, count)))
        assert [block[0] for block in trie.leaf_blocks][1:] == [
            block[1] for block in trie.leaf_blocks
        ][:-1]
        scores, dense = random_scores(trie, seed, singles, scale)
        some = st.sets(st.integers(0, count - 1))
        exclude = data.draw(st.lists(some.map(sorted), min_size=NUM_ROWS, max_size=NUM_ROWS))
        only = data.draw(
            st.lists(
                st.none() | st.sets(st.integers(0, count - 1), min_size=1).map(sorted),
                min_size=NUM_ROWS,
                max_size=NUM_ROWS,
            )
        )
        constraint = Constraint.build(trie, exclude, only)
        fused = LogitFusion.build(trie, scores, 0.5, constraint)
    hidden = dense.clone()
    for row in range(NUM_ROWS):
        allowed = set(range(count) if only[row] is None else only[row]) - set(exclude[row])
        for place, leaf in enumerate(trie.leaf_at.tolist()):
            if leaf not in allowed:
                hidden[place, row] = -torch.inf
    nodes = torch.arange(len(trie.tokens)).expand(NUM_ROWS, -1)
    found = fused.at(nodes, torch.ones_like(nodes, dtype=torch.bool))
    for node in range(trie.level_start[-2]):
        expected = hidden[list(leaves_below(trie, node))].logsumexp(0)
        torch.testing.assert_close(found[:, node], expected, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(found[:, trie.level_start[-2] :].T, dense, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kept", [0, fusion.KEPT_LEAVES])
def test_only_what_is_wanted_is_looked_up(monkeypatch, kept):
    monkeypatch.setattr(fusion, "KEPT_LEAVES", kept)
    trie = DeviceTrie.from_trie(Trie.build([[0, 1], [0, 2], [3, 1]]))
    scores, dense = random_scores(trie, 1, 2, 1.0)
    fused = LogitFusion.build(trie, scores, 1.0)
    # One past the last node, as the padding of children is.
    nodes = torch.tensor([[3, 6]] * NUM_ROWS)
    found = fused.at(nodes, nodes < 6)
    torch.testing.assert_close(found[:, 0], dense[0])


def test_scores_stay_exact_where_a_training_computes_its_model_in_less():
    scores, dense = random_scores(DeviceTrie.from_trie(Trie.build(paths_of(0, 40))), 0, 12, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        found = scores.block(0, 40)
    assert found.dtype == torch.float32
    assert torch.allclose(found, dense, atol=1e-5)
