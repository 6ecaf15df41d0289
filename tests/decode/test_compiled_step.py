"""What a GPU needs for its graphs, shown on a CPU: a pass of the search is one graph, unbroken."""

import pytest
import torch
from torch._dynamo.utils import counters

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.grouped_attention import attend_in_groups
from genrec.decode.trie import Trie
from tests.decode.conftest import build_model
from tests.decode.test_search import random_paths
from tests.decode.tries import CLOSE, search


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen3", "llama"])
def test_every_pass_of_a_search_is_one_graph(family, prompts):
    model = build_model(family)
    attend_in_groups(model)
    trie = DeviceTrie.from_trie(Trie.build(random_paths(6, 60)))
    input_ids, mask = prompts(6, 3)
    expected = search(model, input_ids, mask, trie, 8)
    # With ``fullgraph`` a break is an error; the backend runs the graphs as they are.
    counters.clear()
    compiled = torch.compile(model, fullgraph=True, backend="eager", dynamic=True)
    found = search(compiled, input_ids, mask, trie, 8)
    # The prompts and the beams of a level: few graphs for all sizes.
    assert 1 <= counters["stats"]["unique_graphs"] <= 3
    assert torch.equal(found.leaves, expected.leaves)
    torch.testing.assert_close(found.scores, expected.scores, **CLOSE)
