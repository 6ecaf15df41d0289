"""Options as a tree of tokens: held against scores worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.zero_shot.endpoint import MAX_SCORED_TOKENS, _in_groups
from genrec.zero_shot.option_tree import OptionTree

END = 99
options_of = st.lists(
    st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=12, unique_by=tuple
)


@given(options_of, st.integers(0, 2**32 - 1))
def test_scores_are_a_distribution_and_agree_with_a_walk(options, seed):
    rows = [(*option, END) for option in options]
    tree = OptionTree.build(rows)
    rng = np.random.default_rng(seed)
    told = {node: {token: rng.normal() for token in (0, 1, 2, 3, END)} for node in tree.children}
    scores = tree.score(told)
    assert np.exp(scores).sum() == pytest.approx(1)
    for row, score in zip(rows, scores, strict=True):
        walked = 0.0
        for length in range(len(row)):
            allowed = {other[length] for other in rows if other[:length] == row[:length]}
            assert set(tree.following(row[:length])) == allowed
            if len(allowed) > 1:
                total = np.log(sum(np.exp(told[row[:length]][token]) for token in allowed))
                walked += told[row[:length]][row[length]] - total
        assert score == pytest.approx(walked)
        assert tree.following(row) == ()


def test_what_the_model_rules_out_leaves_the_others_whole():
    tree = OptionTree.build([(1, END), (2, END), (3, END)])
    scores = tree.score({(): {1: -np.inf, 2: np.log(0.2), 3: np.log(0.2)}})
    assert np.exp(scores) == pytest.approx([0, 0.5, 0.5])


def test_options_ruled_out_one_and_all_share_equally():
    """A model of low precision may say -inf of every option below one that it rules out."""
    tree = OptionTree.build([(1, 1, END), (1, 2, END), (2, END)])
    ruled_out = {(): {1: -np.inf, 2: -0.1}, (1,): {1: -np.inf, 2: -np.inf}}
    scores = tree.score(ruled_out)
    assert np.exp(scores).tolist() == [0, 0, 1]
    assert np.isfinite(scores).all() and scores[0] == scores[1]


def test_equal_options_and_beginnings_are_refused():
    with pytest.raises(ValueError):
        OptionTree.build([(1, 2), (1, 2)])
    with pytest.raises(ValueError):
        OptionTree.build([(1, 2), (1, 2, 3)])


def test_partings_are_asked_for_in_few_groups_of_few_tokens():
    rng = np.random.default_rng(0)
    rows = {tuple(rng.integers(0, 500, size=3).tolist()) for _ in range(300)}
    tree = OptionTree.build([row for row in rows if row[0] < 100])
    groups = _in_groups(tree)
    assert [node for nodes, _ in groups for node in nodes].sort() == list(tree.children).sort()
    for nodes, wanted in groups:
        assert len(wanted) <= MAX_SCORED_TOKENS
        assert all(set(tree.children[node]) <= set(wanted) for node in nodes)
