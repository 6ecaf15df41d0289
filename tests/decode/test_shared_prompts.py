"""Rows that share a prompt find what each would find alone, and run the model less."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.policy import Policy
from genrec.decode.search import beam_search, run_search
from genrec.decode.shared_prompts import SharedPrompts
from genrec.decode.tree import PrefillCache, score_after
from genrec.decode.trie import Trie
from tests.decode.test_search import random_paths
from tests.decode.tries import CLOSE, FEW, search


@pytest.fixture
def tokens_run(qwen3):
    """Shapes of what the model is given."""
    shapes = []
    layer = qwen3.get_input_embeddings()
    hook = layer.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    yield shapes
    hook.remove()


@FEW
@given(st.integers(0, 10**6), st.data())
def test_each_row_finds_what_it_finds_alone(qwen3, prompts, seed, data):
    paths = random_paths(seed, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4)))
    trie = DeviceTrie.from_trie(Trie.build(paths))
    num_prompts, rows_each = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    num_rows = num_prompts * rows_each
    leaves = st.lists(st.integers(0, len(paths) - 1), max_size=len(paths))
    exclude = data.draw(st.lists(leaves, min_size=num_rows, max_size=num_rows))
    candidates = [data.draw(st.none() | leaves) for _ in exclude]
    constraint = Constraint.build(trie, exclude, candidates)
    num_beams = data.draw(st.integers(1, 12))
    wanted = data.draw(st.integers(1, num_beams))
    input_ids, mask = prompts(seed, num_prompts)
    each = [part.repeat_interleave(rows_each, dim=0) for part in (input_ids, mask)]
    expected = search(qwen3, *each, trie, num_beams, constraint)
    with torch.inference_mode():
        shared = SharedPrompts(PrefillCache(qwen3, input_ids, mask, trie), rows_each)
        # Twice, since a second search must not see what the first one left.
        for _ in range(2):
            policy = Policy(trie, constraint)
            found = run_search(beam_search(policy, num_rows, num_beams), shared)
            torch.testing.assert_close(found.scores, expected.scores, **CLOSE)
            few = run_search(beam_search(policy, num_rows, num_beams, wanted), shared)
            torch.testing.assert_close(few.scores, expected.scores[:, :wanted], **CLOSE)
            again = score_after(shared, policy, found.leaves.clamp(min=0))
            kept = found.leaves >= 0
            torch.testing.assert_close(again[kept], found.scores[kept], **CLOSE)


def test_rows_that_ask_the_same_cost_no_more_than_one(qwen3, prompts, tokens_run):
    trie = DeviceTrie.from_trie(Trie.build(random_paths(5, 60)))
    input_ids, mask = prompts(5, 2)
    with torch.inference_mode():
        read = PrefillCache(qwen3, input_ids, mask, trie)
        tokens_run.clear()
        alone = run_search(beam_search(Policy(trie), 2, 8), read)
        once = list(tokens_run)
        tokens_run.clear()
        found = run_search(beam_search(Policy(trie), 6, 8), SharedPrompts(read, 3))
    assert tokens_run == once
    assert torch.equal(found.leaves, alone.leaves.repeat_interleave(3, dim=0))
    torch.testing.assert_close(found.scores, alone.scores.repeat_interleave(3, dim=0), **CLOSE)
