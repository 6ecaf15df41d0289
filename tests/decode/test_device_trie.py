import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie, trailing_states
from genrec.decode.trie import NO_NODE, Trie
from tests.decode.tries import path_tables

VOCABULARY = 8
OPENING = 7


def all_prefixes(paths):
    return sorted({path[:level] for path in paths for level in range(len(path) + 1)})


@given(path_tables())
def test_children_are_every_valid_token_and_no_other(paths):
    trie = Trie.build(paths)
    prefixes = all_prefixes(paths)
    states = torch.tensor([trie.walk(prefix) for prefix in prefixes])
    _, tokens, allowed = DeviceTrie.from_trie(trie).expand(states)
    for prefix, row_tokens, row_allowed in zip(prefixes, tokens, allowed, strict=True):
        valid = {path[len(prefix)] for path in paths if path[: len(prefix)] == prefix != path}
        assert set(row_tokens[row_allowed].tolist()) == valid
        assert int(row_allowed.sum()) == len(valid)


def test_a_row_that_stands_nowhere_has_no_children():
    trie = DeviceTrie.from_trie(Trie.build([[1, 2]]))
    _, tokens, allowed = trie.expand(torch.tensor([NO_NODE, 0]))
    assert allowed.tolist() == [[False], [True]] and tokens[1].tolist() == [1]


@given(path_tables())
def test_steps_follow_the_paths_and_leave_them_as_a_walk_does(paths):
    trie = Trie.build(paths)
    states = torch.arange(-1, trie.num_nodes)
    device_trie = DeviceTrie.from_trie(trie)
    walks = {trie.walk(prefix): prefix for prefix in all_prefixes(paths)}
    for token in range(VOCABULARY):
        stepped = device_trie.step(states, torch.full_like(states, token))
        expected = [
            trie.walk((*walks[state], token)) if state >= 0 else NO_NODE
            for state in states.tolist()
        ]
        assert stepped.tolist() == expected
    parents = device_trie.parents(states[2:])
    assert [walks[parent] for parent in parents.tolist()] == [
        walks[state][:-1] for state in states[2:].tolist()
    ]


@given(path_tables(), st.data())
def test_the_end_of_a_prompt_tells_the_state(paths, data):
    trie = Trie.build(paths)
    prompts = data.draw(st.lists(st.lists(st.integers(0, OPENING), min_size=6, max_size=6)))
    prefixes = [list(prefix) for prefix in all_prefixes(paths)]
    prompts += [([0] * 6 + [OPENING, *prefix])[-6:] for prefix in prefixes]
    expected = []
    for prompt in prompts:
        if OPENING in prompt:
            after = prompt[len(prompt) - prompt[::-1].index(OPENING) :]
            expected.append(trie.walk(after))
        else:
            expected.append(NO_NODE)
    states = trailing_states(torch.tensor(prompts), DeviceTrie.from_trie(trie), OPENING)
    assert states.tolist() == expected


@st.composite
def filtered_rows(draw):
    """Paths with, for each of a few rows, leaves to leave out and leaves to stay within."""
    paths = draw(path_tables())
    leaves = st.lists(st.integers(0, len(paths) - 1), max_size=len(paths))
    num_rows = draw(st.integers(1, 3))
    exclude = [draw(leaves) for _ in range(num_rows)]
    shared = draw(leaves)
    candidates = [draw(st.sampled_from([None, shared]) | leaves) for _ in range(num_rows)]
    return paths, exclude, candidates


@given(filtered_rows())
def test_a_constraint_allows_a_node_just_when_an_allowed_leaf_is_below(world):
    paths, exclude, candidates = world
    trie = Trie.build(paths)
    device_trie = DeviceTrie.from_trie(trie)
    constraint = Constraint.build(device_trie, exclude, candidates)
    prefixes = all_prefixes(paths)
    states = torch.tensor([trie.walk(prefix) for prefix in prefixes]).expand(len(exclude), -1)
    _, tokens, allowed = device_trie.expand(states, constraint and constraint.leaves_before)
    for row in range(len(exclude)):
        left = set(range(len(paths)) if candidates[row] is None else candidates[row]) - set(
            exclude[row]
        )
        for place, prefix in enumerate(prefixes):
            depth = len(prefix)
            valid = {
                paths[leaf][depth] for leaf in left if paths[leaf][:depth] == prefix != paths[leaf]
            }
            assert set(tokens[row, place][allowed[row, place]].tolist()) == valid


def test_a_set_given_to_many_rows_is_stored_once():
    trie = DeviceTrie.from_trie(Trie.build([[1, 2], [1, 3], [2, 2]]))
    shared = [0, 1]
    constraint = Constraint.build(trie, candidates=[shared, None, shared])
    assert constraint.set_of.tolist() == [0, -1, 0]
    assert len(constraint.candidates) == 2


def test_bad_input_is_named():
    trie = DeviceTrie.from_trie(Trie.build([[1, 9]]))
    with pytest.raises(ValueError, match=r"0\.\.0"):
        Constraint.build(trie, exclude=[[1]])
    with pytest.raises(ValueError, match="exclude has 1 rows, candidates has 2"):
        Constraint.build(trie, exclude=[[0]], candidates=[None, None])
