"""Half precision: exact in float32 arithmetic, close and fast in that of the weights."""

import platform
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.data import Dataset
from genrec.engines import load
from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.errors import ConfigError
from genrec.interests.summary.codec import SummaryCodec
from genrec.interests.summary.grammar import SummaryGrammar
from genrec.model import precision
from genrec.model.load import load_run
from genrec.model.precision import (
    choose_arithmetic,
    float32_arithmetic,
    float32_linear,
    multiplies_bfloat16,
    two_parts,
)
from genrec.schema import Request
from tests.half import make_half


@pytest.fixture(scope="module")
def half(chain, tmp_path_factory):
    return make_half(chain, tmp_path_factory.mktemp("half"))


def test_an_engine_on_half_precision_scores_as_float32_does(half):
    """Adapter on and off, items, first codes and words; the weights stay as they were."""
    narrow, wide = load_run(half), load_run(half)
    wide.model.float()
    histories = list(Dataset.load(narrow.data).histories("valid"))[:12]
    prompts = narrow.encoder.prompts([Request(history) for history in histories])
    grammar = SummaryGrammar(SummaryCodec(narrow.encoder)).of(histories[0].events[-5:])
    grammars = [grammar] * 3
    mine = TorchEngine(narrow, num_beams=20, arithmetic="float32")
    theirs = TorchEngine(wide, num_beams=20)
    for adapter in ("default", None):
        mine.use_adapter(adapter)
        theirs.use_adapter(adapter)
        queries = [ItemQuery(prompt) for prompt in prompts]
        for one, other in zip(mine.items(queries, 10), theirs.items(queries, 10), strict=True):
            assert one.rows.tolist() == other.rows.tolist()
            np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(
            mine.code_log_probs(prompts), theirs.code_log_probs(prompts), atol=1e-5
        )
        assert mine.text(prompts[:3], grammars, 12) == theirs.text(prompts[:3], grammars, 12)
    assert narrow.model.get_base_model().dtype == torch.bfloat16


def test_what_users_see_agrees_between_arithmetics(half):
    """Nearly the same ten items; searched in bfloat16 and scored again, also the same scores."""
    run = load_run(half)
    histories = list(Dataset.load(run.data).histories("valid"))[:60]
    queries = [ItemQuery(prompt) for prompt in run.encoder.prompts(list(map(Request, histories)))]
    found = {
        arithmetic: TorchEngine(run, num_beams=20, arithmetic=arithmetic).items(queries, 10)
        for arithmetic in ("float32", "model", "rescored")
    }

    def overlap(arithmetic):
        pairs = zip(found[arithmetic], found["float32"], strict=True)
        return np.mean([len(set(one.rows) & set(other.rows)) / 10 for one, other in pairs])

    assert overlap("model") >= 0.95
    assert overlap("rescored") >= 0.99
    for one, exact in zip(found["rescored"], found["float32"], strict=True):
        assert (np.diff(one.scores) <= 0).all()
        shared, mine, theirs = np.intersect1d(one.rows, exact.rows, return_indices=True)
        np.testing.assert_allclose(one.scores[mine], exact.scores[theirs], atol=1e-5)
    rounded = [one.scores for one in found["model"]]
    assert any(
        (one != other.scores).any() for one, other in zip(rounded, found["float32"], strict=True)
    )


def test_a_model_in_float32_answers_as_if_it_were_saved_in_bfloat16(half, chain, monkeypatch):
    monkeypatch.setattr(load, "multiplies_bfloat16", lambda device: True)
    run, rounded = load.load_engine(chain.sft, "cpu", 20, arithmetic="bfloat16")
    _, saved = load.load_engine(half, "cpu", 20, arithmetic="model")
    histories = list(Dataset.load(run.data).histories("valid"))[:12]
    queries = [ItemQuery(prompt) for prompt in run.encoder.prompts(list(map(Request, histories)))]
    for one, other in zip(rounded.items(queries, 10), saved.items(queries, 10), strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.scores.tolist() == other.scores.tolist()


def test_bfloat16_is_refused_where_it_is_slow(chain, monkeypatch):
    monkeypatch.setattr(load, "multiplies_bfloat16", lambda device: False)
    with pytest.raises(ConfigError, match="no instructions for it"):
        load.load_engine(chain.sft, "cpu", 20, arithmetic="bfloat16")


def test_an_arithmetic_is_chosen_by_what_weights_are_and_what_is_faster(monkeypatch):
    wide = torch.nn.Linear(8, 8)
    for asked in ("auto", "float32", "model"):
        with choose_arithmetic(wide, asked)():
            assert wide(torch.ones(1, 8)).dtype == torch.float32
    narrow = torch.nn.Linear(8, 8).bfloat16()
    for clearly, kind in ((0, torch.bfloat16), (1e9, torch.float32)):
        monkeypatch.setattr(precision, "CLEARLY", clearly)
        with torch.inference_mode(), choose_arithmetic(narrow, "auto")():
            assert narrow(torch.ones(1, 8, dtype=torch.bfloat16)).dtype == kind
    with pytest.raises(ConfigError, match="choose one of auto, float32, model, bfloat16, rescored"):
        choose_arithmetic(wide, "fast")


def test_float32_and_autocast_run_under_nothing(half, chain):
    """Where training validates, it decides what is computed in."""
    linear = torch.nn.Linear(4, 4)
    with float32_arithmetic(linear)():
        assert linear(torch.ones(1, 4)).dtype == torch.float32
    narrow = linear.bfloat16()
    under = float32_arithmetic(narrow)
    with under():
        assert narrow(torch.ones(1, 4)).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16), under():
        assert narrow(torch.ones(1, 4)).dtype == torch.bfloat16
    assert narrow(torch.ones(1, 4).bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_norms_and_embeddings_in_half_precision_give_float32(dtype):
    layers = torch.nn.Sequential(
        torch.nn.Embedding(5, 8), torch.nn.LayerNorm(8), torch.nn.RMSNorm(8), torch.nn.Linear(8, 3)
    ).to(dtype)
    tokens = torch.arange(5)
    with torch.inference_mode(), float32_arithmetic(layers)():
        found = layers(tokens)
    torch.testing.assert_close(found, layers.float()(tokens))


def test_two_parts_are_the_number_to_sixteen_bits():
    x = torch.randn(1000) * 10.0 ** torch.randint(-6, 6, (1000,))
    high, low = two_parts(x)
    assert high.dtype == low.dtype == torch.bfloat16
    assert ((high.float() + low.float() - x).abs() <= x.abs() * 2.0**-16).all()


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a compiler")
def test_the_low_part_survives_compiling():
    """Inductor leaves out what is cast there and back."""
    x = torch.randn(64)
    for found, wanted in zip(torch.compile(two_parts)(x), two_parts(x), strict=True):
        assert wanted.float().abs().max() > 0
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_that_of_float32(device, bias):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    x = torch.randn(3, 7, 64, device=device)
    weight = torch.randn(32, 64, device=device).bfloat16()
    added = torch.randn(32, device=device).bfloat16() if bias else None
    exact = torch.nn.functional.linear(
        x.double(), weight.double(), None if added is None else added.double()
    )
    found = float32_linear(x, weight, added)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, atol=2e-3, rtol=0)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors name it otherwise")
def test_the_processor_is_asked_for_its_arithmetic():
    flags = set(Path("/proc/cpuinfo").read_text().split())
    has = bool(flags & {"avx512_bf16", "amx_bf16"})
    assert multiplies_bfloat16(torch.device("cpu")) == has
