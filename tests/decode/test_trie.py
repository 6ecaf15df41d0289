import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode.trie import NO_NODE, ROOT, Trie
from tests.decode.tries import path_tables


def children_by_prefix(paths):
    children = {}
    for path in paths:
        for level, token in enumerate(path):
            children.setdefault(path[:level], set()).add(token)
    return children


@given(path_tables())
def test_every_prefix_has_the_children_a_dict_of_tuples_gives_it(paths):
    trie = Trie.build(paths)
    children = children_by_prefix(paths)
    assert trie.num_nodes == len(children) + len(paths)
    for prefix, tokens in children.items():
        nodes = trie.children(trie.walk(prefix))
        assert trie.tokens[nodes.start : nodes.stop].tolist() == sorted(tokens)
        assert [trie.walk((*prefix, token)) for token in sorted(tokens)] == list(nodes)
    for leaf, path in enumerate(paths):
        assert trie.leaf(trie.walk(path)) == leaf
        assert not trie.children(trie.walk(path))


@given(path_tables(), st.lists(st.integers(0, 6), max_size=5))
def test_a_walk_that_leaves_the_paths_finds_nothing(paths, walk):
    known = {path[:level] for path in paths for level in range(len(path) + 1)}
    assert (Trie.build(paths).walk(walk) == NO_NODE) == (tuple(walk) not in known)


@given(path_tables())
def test_paths_and_leaf_counts_come_back(paths):
    trie = Trie.build(paths)
    assert trie.paths().tolist() == [list(path) for path in paths]
    for level in range(trie.num_levels + 1):
        prefixes = sorted({path[:level] for path in paths})
        counts = [sum(path[:level] == prefix for path in paths) for prefix in prefixes]
        assert trie.leaf_counts(level).tolist() == counts


def same(first, second):
    return (
        np.array_equal(first.tokens, second.tokens)
        and np.array_equal(first.first_child, second.first_child)
        and np.array_equal(first.leaf_at, second.leaf_at)
        and first.level_start == second.level_start
    )


@given(path_tables(), st.data())
def test_adding_and_removing_equal_building_anew(paths, data):
    trie = Trie.build(paths)
    split = data.draw(st.integers(1, len(paths)))
    if split < len(paths):
        assert same(Trie.build(paths[:split]).add(paths[split:]), trie)
    gone = data.draw(st.sets(st.integers(0, len(paths) - 1), max_size=len(paths) - 1))
    kept = [path for leaf, path in enumerate(paths) if leaf not in gone]
    assert same(trie.remove(sorted(gone)), Trie.build(kept))
    assert trie.num_leaves == len(paths)


def test_keys_wider_than_64_bits_sort_like_tuples():
    rows = np.random.default_rng(0).integers(0, 2**31 - 1, (50, 4))
    rows[:, :2] = rows[:1, :2]
    trie = Trie.build(rows)
    by_path = sorted(range(50), key=lambda row: tuple(rows[row]))
    assert trie.leaf_at.tolist() == by_path


def test_memory_stays_below_what_the_docstring_says():
    rows = np.unique(np.random.default_rng(0).integers(0, 256, (20_000, 3)), axis=0)
    trie = Trie.build(rows)
    assert trie.num_bytes / len(rows) < 8 * trie.num_levels


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([[1, 2], [3, 4], [1, 2]], "rows 0 and 2 are the same path"),
        (np.empty((0, 3), dtype=int), "at least 1 x 1"),
        ([1, 2, 3], "table of whole numbers"),
        ([[1.5, 2.0]], "table of whole numbers"),
        ([[1, -1]], "tokens must lie in"),
    ],
)
def test_bad_paths_are_named(paths, message):
    with pytest.raises(ValueError, match=message):
        Trie.build(paths)


def test_bad_changes_are_named():
    trie = Trie.build([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="rows 1 and 2 are the same path"):
        trie.add([[3, 4]])
    with pytest.raises(ValueError, match="3 tokens; this trie's 2"):
        trie.add([[3, 4, 5]])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        trie.remove([2])
    with pytest.raises(ValueError, match="at least 1 x 1"):
        trie.remove([0, 1])


def test_the_root_is_node_zero_and_torch_is_not_needed():
    assert Trie.build([[4]]).walk([]) == ROOT
    code = "import sys, genrec.decode.trie; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
