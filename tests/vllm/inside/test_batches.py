"""The processor under vLLM's own batch: requests come, end, move, are pre-empted and cancelled."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from vllm.v1.sample.logits_processor import LogitsProcessors
from vllm.v1.worker.gpu_input_batch import CachedRequestState, InputBatch

from genrec.engines.vllm.processor import ItemProcessor
from genrec.engines.vllm.table_file import write_table

from .conftest import params, settings, table_of
from .reference import may_follow

MAX_REQUESTS, VOCABULARY, TEXT = 6, 1024, (3, 7, 11)


@pytest.fixture(scope="module")
def served(base, few, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "table.npz"
    write_table(path, table_of(base, *few))
    patch = pytest.MonkeyPatch()
    patch.setenv("GENREC_TABLE", str(path))
    yield base
    patch.undo()


def new_batch(served):
    device = torch.device("cpu")
    processor = ItemProcessor(settings(served.path), device, False)
    return processor, InputBatch(
        max_num_reqs=MAX_REQUESTS,
        max_model_len=64,
        max_num_batched_tokens=64,
        device=device,
        vocab_size=VOCABULARY,
        block_sizes=[32],
        max_num_blocks_per_req=[2],
        logitsprocs=LogitsProcessors([processor]),
    )


def new_request(draw, number, served, paths):
    """A prompt of text, openings, items and parts of items, in any order; sometimes filters."""
    pieces = draw(st.lists(st.sampled_from(["text", "open", "item", "part", "wrong"]), max_size=4))
    prompt = [5]
    for piece in pieces:
        path = paths[draw(st.integers(0, len(paths) - 1))].tolist()
        prompt += {
            "text": [draw(st.sampled_from(TEXT))],
            "open": [served.opening],
            "item": [served.opening, *path],
            "part": [served.opening, *path[: draw(st.integers(1, len(path) - 1))]],
            "wrong": [served.opening, path[-1]],
        }[piece]
    rows = st.lists(st.integers(0, len(paths) - 1), min_size=1, max_size=len(paths))
    filters = {}
    if draw(st.booleans()):
        filters["genrec_exclude"] = draw(rows)
    if draw(st.booleans()):
        filters["genrec_candidates"] = draw(rows)
    return CachedRequestState(
        req_id=f"request {number}",
        prompt_token_ids=prompt,
        mm_features=[],
        sampling_params=params(**filters),
        generator=None,
        block_ids=([0],),
        num_computed_tokens=0,
        output_token_ids=[],
    )


def expected(request, served, paths):
    filters = request.sampling_params.extra_args or {}
    return may_follow(
        [*request.prompt_token_ids, *request.output_token_ids],
        paths,
        served.opening,
        served.end,
        filters.get("genrec_exclude", ()),
        filters.get("genrec_candidates"),
    )


@hypothesis_settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(data=st.data())
def test_every_row_of_every_batch_is_masked_as_the_reference_says(served, paths, data):
    draw = data.draw
    processor, batch = new_batch(served)
    running: dict[str, CachedRequestState] = {}
    preempted: list[CachedRequestState] = []
    number = 0
    for _ in range(draw(st.integers(3, 12))):
        # In the order in which vLLM's runner does it: leave, come, close up, reorder.
        for name in draw(st.lists(st.sampled_from(sorted(running)), unique=True) if running
                         else st.just([])):  # fmt: skip
            gone = running.pop(name)
            batch.remove_request(name)
            if draw(st.booleans()):
                preempted.append(gone)
        while len(running) < MAX_REQUESTS and draw(st.integers(0, 2)):
            if preempted and draw(st.booleans()):
                request = preempted.pop()
            else:
                request, number = new_request(draw, number, served, paths), number + 1
            running[request.req_id] = request
            batch.add_request(request)
        batch.condense()
        if len(running) > 1 and draw(st.booleans()):
            batch.swap_states(*draw(st.permutations(range(len(running))))[:2])
        batch.refresh_metadata()
        check_and_go_on(processor, batch, running, served, paths, draw)


def check_and_go_on(processor, batch, running, served, paths, draw):
    """Hold every row against the reference, then write each a token it allows."""
    logits = torch.randn(len(running), VOCABULARY, generator=torch.Generator().manual_seed(1))
    before = logits.clone()
    after = processor.apply(logits)
    for row, name in enumerate(batch.req_ids):
        request = running[name]
        allowed = expected(request, served, paths)
        left = set(after[row].isfinite().nonzero()[:, 0].tolist())
        if allowed is None:
            assert torch.equal(after[row], before[row])
            allowed = {*TEXT, served.opening}
        else:
            assert left == allowed, (request.prompt_token_ids, request.output_token_ids)
            kept = sorted(left)
            assert allowed == {served.end} or torch.equal(after[row, kept], before[row, kept])
        request.output_token_ids.append(draw(st.sampled_from(sorted(allowed))))


def test_batches_of_vllm_that_end_wholly_leave_nothing_behind(served, paths):
    processor, batch = new_batch(served)
    for number in range(MAX_REQUESTS):
        request = CachedRequestState(
            req_id=str(number),
            prompt_token_ids=[served.opening],
            mm_features=[],
            sampling_params=params(),
            generator=None,
            block_ids=([0],),
            num_computed_tokens=0,
            output_token_ids=[],
        )
        batch.add_request(request)
    batch.refresh_metadata()
    for number in range(MAX_REQUESTS):
        batch.remove_request(str(number))
    batch.condense()
    batch.refresh_metadata()
    logits = torch.zeros(MAX_REQUESTS, VOCABULARY)
    assert torch.equal(processor.apply(logits.clone()), logits)


def test_the_fuzz_meets_every_kind_of_row(served, paths):
    """A reference that never says anything would prove nothing."""
    opening, path = served.opening, paths[0].tolist()
    say = lambda tokens, **filters: may_follow(tokens, paths, opening, served.end, **filters)  # noqa: E731
    assert say([5]) is None and say([opening, *path]) is None and say([opening, 3]) is None
    assert say([5, opening]) == set(paths[:, 0].tolist())
    assert say([opening, *path[:-1]], candidates=[0]) == {path[-1]}
    assert say([opening, path[-1]]) == {served.end}
    assert say([opening], exclude=list(range(len(paths)))) == {served.end}
    assert np.unique(paths, axis=0).shape == paths.shape and Path(served.path).is_dir()
