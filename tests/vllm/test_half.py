"""A base in bfloat16 behind a URL and in this process: the same items, the same scores."""

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.engines.vllm.client import VllmEngine
from genrec.model.load import load_run
from genrec.schema import Request
from tests.half import make_half
from tests.vllm.test_engine import same
from tests.vllm_server import Server

TOLERANCE = 5e-3  # half of what is promised


@pytest.fixture(scope="module")
def half(vllm, chain, tmp_path_factory):
    return make_half(chain, tmp_path_factory.mktemp("half"))


@pytest.fixture(scope="module")
def server(half, tmp_path_factory):
    """Adapters in bfloat16 too, as GPUs need them."""
    log = tmp_path_factory.mktemp("vllm") / "half.log"
    arguments = ("--dtype", "bfloat16", "--lora-dtype", "bfloat16")
    server = Server.start(half.parent / "pretrain", log, *arguments)
    yield server
    server.stop()


@pytest.mark.slow
def test_bfloat16_same_items_same_scores_with_and_without_adapter(server, half):
    run = load_run(half)
    here = TorchEngine(run, num_beams=20, arithmetic="float32")
    there = VllmEngine(server.url, run, num_beams=20)
    there.load_adapter("run", half)
    histories = list(Dataset.load(run.data).histories("valid"))[:40]
    prompts = run.encoder.prompts([Request(history) for history in histories])
    queries = [ItemQuery(prompt) for prompt in prompts]
    scores = []
    for mine, theirs in ((None, None), ("default", "run")):
        here.use_adapter(mine)
        there.use_adapter(theirs)
        found = there.items(queries, 10)
        same(found, here.items(queries, 10), TOLERANCE)
        np.testing.assert_allclose(
            there.code_log_probs(prompts), here.code_log_probs(prompts), atol=TOLERANCE
        )
        scores.append(np.array([one.scores for one in found]))
    assert np.abs(scores[0] - scores[1]).max() > 0.01
