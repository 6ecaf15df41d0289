"""Many prompts in one pass score as each does in a pass of its own."""

import pytest
import torch

from genrec.decode.prefix_logits import Stream, batches, merge_prefixes, next_logits

PROMPTS = ([5, 9, 2, 30], [5, 9], [11], [5, 9, 2], [11, 4, 4], [40, 41, 42, 43, 44])


@pytest.mark.parametrize("forced_prefix", [(), (17,), (17, 3, 21)])
def test_each_prompt_is_scored_as_if_alone(model, forced_prefix):
    streams = merge_prefixes(PROMPTS)
    with torch.inference_mode():
        found = next_logits(model, streams, forced_prefix, pad_id=7)
        order = [index for stream in streams for index in stream.indices]
        for row, index in enumerate(order):
            alone = model(torch.tensor([[*PROMPTS[index], *forced_prefix]])).logits[0, -1]
            torch.testing.assert_close(found[row], alone, atol=1e-4, rtol=0)
    assert sorted(order) == list(range(len(PROMPTS)))


def test_a_prompt_joins_only_those_that_it_begins():
    assert merge_prefixes(PROMPTS) == [
        Stream([11, 4, 4], (1, 3), (2, 4)),
        Stream([5, 9, 2, 30], (2, 3, 4), (1, 3, 0)),
        Stream([40, 41, 42, 43, 44], (5,), (5,)),
    ]


@pytest.mark.parametrize(
    ("most_tokens", "most_logits", "sizes"),
    [(33, 900, [3]), (32, 900, [2, 1]), (33, 899, [2, 1]), (20, 599, [1, 1, 1])],
)
def test_a_batch_holds_what_fits(most_tokens, most_logits, sizes):
    """Three streams: 5 tokens and 2 forced ones after each of at most 3 prompts; 100 scores."""
    streams = merge_prefixes(PROMPTS)
    found = batches(streams, 2, most_tokens, most_logits, vocabulary=100)
    assert [len(batch) for batch in found] == sizes
