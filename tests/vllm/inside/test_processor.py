"""The processor by itself: what it refuses, what it leaves alone, how it follows the table."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from vllm.v1.sample.logits_processor.interface import BatchUpdate
from vllm.v1.worker.gpu.sample.logits_processor import LogitsContext, LogitsProcRequestState

from genrec.engines.vllm import served as served_module
from genrec.engines.vllm.processor import ItemProcessor
from genrec.engines.vllm.table_file import write_table
from genrec.errors import ConfigError

from .conftest import params, settings, table_of
from .reference import may_follow

VOCABULARY = 1024
CPU = torch.device("cpu")


def allowed_after(processor, prompt, output=(), **extra):
    """The tokens left for one new request."""
    added = [(0, params(**extra), list(prompt), list(output))]
    processor.update_state(BatchUpdate(batch_size=1, removed=[], added=added, moved=[]))
    left = processor.apply(torch.zeros(1, VOCABULARY))[0].isfinite().nonzero()[:, 0]
    return set(left.tolist())


def test_does_nothing_for_a_model_that_is_no_base_of_ours(tmp_path):
    processor = ItemProcessor(
        settings(tmp_path, logprobs_mode="raw_logprobs", async_scheduling=True), CPU, False
    )
    logits = torch.randn(1, VOCABULARY)
    added = [(0, params(), [1, 2], [])]
    processor.update_state(BatchUpdate(batch_size=1, removed=[], added=added, moved=[]))
    assert torch.equal(processor.apply(logits.clone()), logits)


def test_says_which_setting_would_let_wrong_items_through(base):
    with pytest.raises(ConfigError, match="--logprobs-mode processed_logprobs"):
        ItemProcessor(settings(base.path, logprobs_mode="raw_logprobs"), CPU, False)
    with pytest.raises(ConfigError, match="--no-async-scheduling"):
        ItemProcessor(settings(base.path, async_scheduling=True), CPU, False)


def test_prompts_without_tokens_and_text_are_left_alone(processor, base):
    everything = set(range(VOCABULARY))
    assert allowed_after(processor, []) == everything
    assert allowed_after(processor, [3, 7, 11]) == everything
    added = [(0, params(), None, [])]
    processor.update_state(BatchUpdate(batch_size=1, removed=[], added=added, moved=[]))
    assert torch.equal(processor.apply(torch.ones(1, VOCABULARY)), torch.ones(1, VOCABULARY))


def test_requests_of_our_own_search_are_left_alone(base, table_file, monkeypatch):
    monkeypatch.setenv("GENREC_SEARCH_KEY", "secret")
    processor = ItemProcessor(settings(base.path), CPU, False)
    assert allowed_after(processor, [base.opening], genrec_search="secret") == set(
        range(VOCABULARY)
    )
    guessed = allowed_after(processor, [base.opening], genrec_search="guess")
    assert len(guessed) < VOCABULARY


def test_other_rules_that_leave_nothing_end_the_text(processor, base):
    added = [(0, params(), [base.opening], [])]
    processor.update_state(BatchUpdate(batch_size=1, removed=[], added=added, moved=[]))
    logits = torch.full((1, VOCABULARY), -torch.inf)
    logits[0, 3] = 1.0
    assert processor.apply(logits)[0].isfinite().nonzero()[:, 0].tolist() == [base.end]


def test_a_grown_table_is_seen_by_the_next_request(processor, base, few, table_file):
    item_ids, codes = few
    new = codes[:1].copy()
    new[0, 0] = 9
    token = int(base.vocabulary.token_ids[0, 9])
    assert token not in allowed_after(processor, [base.opening])
    grown = table_of(base, [*item_ids, "new"], np.concatenate([codes, new]))
    write_table(table_file, grown)
    assert token in allowed_after(processor, [base.opening])
    assert allowed_after(processor, [base.opening], genrec_candidates=["new"]) == {token}


def test_a_request_keeps_the_table_it_began_with(processor, base, few, paths, table_file):
    output: list[int] = []
    added = [(0, params(), [base.opening], output)]
    processor.update_state(BatchUpdate(batch_size=1, removed=[], added=added, moved=[]))
    output.append(int(paths[0, 0]))
    write_table(table_file, table_of(base, few[0][-1:], few[1][-1:]))
    processor.update_state(None)
    left = processor.apply(torch.zeros(1, VOCABULARY))[0].isfinite().nonzero()[:, 0].tolist()
    assert set(left) == may_follow([base.opening, *output], paths, base.opening, base.end)


def test_a_damaged_table_file_changes_nothing(processor, base, table_file):
    before = allowed_after(processor, [base.opening])
    table_file.write_bytes(b"PK no table")
    assert allowed_after(processor, [base.opening]) == before


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"genrec_exclude": "item 1"}, "must be a list"),
        ({"genrec_candidates": [1.5]}, "must be a list"),
        ({"genrec_candidates": []}, "would leave no item"),
        ({"genrec_exclude": ["nobody"]}, "'nobody' is not in the served table"),
        ({"genrec_candidates": [10**9]}, "is not in the served table"),
        ({"genrec_candidates": [-1]}, "is not in the served table"),
        ({"genrec_candidates": [1, 2], "genrec_exclude": [1, 2]}, "leave no item"),
    ],
)
def test_bad_filters_are_refused_at_the_door(extra, message, base, table_file, monkeypatch):
    monkeypatch.setenv("GENREC_BASE", str(base.path))
    served_module.served_here.cache_clear()
    try:
        with pytest.raises(ValueError, match=message):
            ItemProcessor.validate_params(params(**extra))
        ItemProcessor.validate_params(params(genrec_exclude=["item 1", 2]))
    finally:
        served_module.served_here.cache_clear()


def test_model_runner_v2_masks_the_same_rows(base, table_file, paths):
    """Rows in any order, slots with old requests in them, drafts of a speculator, padding."""
    generator = np.random.default_rng(0)
    for _ in range(200):
        slots = 5
        tokens = torch.as_tensor(generator.integers(0, 20, (slots, 16)), dtype=torch.int32)
        tensor = SimpleNamespace(gpu=tokens)
        buffers = LogitsProcRequestState(
            device=CPU, max_num_reqs=slots, vocab_size=VOCABULARY, all_token_ids=tensor,
            prompt_len=None, prefill_len=None, total_len=None,
        )  # fmt: skip
        processor = ItemProcessor(settings(base.path, async_scheduling=True), buffers)
        order = generator.permutation(slots)[: int(generator.integers(1, slots + 1))]
        rows, wanted = [], []
        for slot in order.tolist():
            filters = {"genrec_candidates": [0, 1, 2]} if generator.random() < 0.5 else {}
            processor.add_request(slot, params(genrec_candidates=[5]))
            assert processor.add_request(slot, params(**filters))
            length, drafts = int(generator.integers(1, 10)), int(generator.integers(0, 3))
            path = paths[generator.integers(0, len(paths))].tolist()
            sequence = [*tokens[slot, :length].tolist(), base.opening, *path][: length + 3]
            tokens[slot, : len(sequence)] = torch.as_tensor(sequence)
            tokens[slot, len(sequence) - drafts :] = 0  # drafts are not committed
            for place in range(drafts + 1):
                seen = sequence[: len(sequence) - drafts + place]
                rows.append((slot, place, seen[-1], len(seen) - 1))
                wanted.append(
                    may_follow(
                        seen, paths, base.opening, base.end, (), filters.get("genrec_candidates")
                    )
                )
        columns = [torch.tensor(column, dtype=torch.int32) for column in zip(*rows, strict=True)]
        context = LogitsContext(
            expanded_idx_mapping=columns[0],
            idx_mapping=torch.as_tensor(order), idx_mapping_np=order,
            expanded_local_pos=columns[1], input_ids=columns[2], pos=columns[3],
            seq_lens_upper_bound_np=np.zeros(len(order)),
        )  # fmt: skip
        after = processor.apply(torch.zeros(len(rows), VOCABULARY), context)
        for row, allowed in enumerate(wanted):
            left = set(after[row].isfinite().nonzero()[:, 0].tolist())
            assert left == (set(range(VOCABULARY)) if allowed is None else allowed)
