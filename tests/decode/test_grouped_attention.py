"""Attention without copies is that of transformers, with a mask, without, and behind a cache."""

import pytest
import torch
from transformers import DynamicCache

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.grouped_attention import GROUPED, attend_in_groups
from genrec.decode.trie import Trie
from tests.decode.tries import CLOSE, paths_of, search


@pytest.mark.parametrize("family", ["qwen3", "llama"])
def test_scores_are_those_of_transformers_own_attention(build, prompts, family):
    plain, grouped = build(family), build(family)
    attend_in_groups(grouped)
    assert grouped.config._attn_implementation == GROUPED
    trie = DeviceTrie.from_trie(Trie.build(paths_of(0, 20)))
    ids, mask = prompts(3, 5)
    mine, theirs = (search(model, ids, mask, trie, 6) for model in (grouped, plain))
    assert mine.leaves.tolist() == theirs.leaves.tolist()
    torch.testing.assert_close(mine.scores, theirs.scores, **CLOSE)


def test_a_text_goes_on_behind_what_was_read(build):
    plain, grouped = build("qwen3"), build("qwen3")
    attend_in_groups(grouped)
    tokens = torch.arange(12).unsqueeze(0)
    cache = DynamicCache()
    with torch.inference_mode():
        parts = [
            grouped(input_ids=part, past_key_values=cache).logits
            for part in tokens.split([6, 1, 5], dim=1)
        ]
        whole = plain(input_ids=tokens).logits
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, **CLOSE)
