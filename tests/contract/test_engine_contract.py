"""What every engine must do; a new engine joins by being added to ``ENGINES``."""

import json
import shutil

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.grammar import Choice, GrammarState, Repeat, Series, Tokens
from genrec.engines.load import load_engine
from genrec.engines.torch import TorchEngine
from genrec.engines.vllm.client import VllmEngine
from genrec.errors import ArtifactError, ConfigError, DecodeError
from genrec.model.load import ADAPTER_NAME, load_run
from genrec.schema import AS_SERVED, History, Item, ModelSettings, Request
from genrec.semantic_ids.extend import add_items
from genrec.semantic_ids.row_scores import RowScores


def torch_engine(run, _):
    return TorchEngine(run, num_beams=20)


def merged_engine(run, _):
    """As ``from_pretrained`` makes it: the adapter is in the weights until another one is asked."""
    return load_engine(run.path, "cpu", num_beams=20)[1]


def vllm_engine(run, request):
    """The same run in a real server, with its adapter as ``from_pretrained`` gives it one."""
    engine = VllmEngine(request.getfixturevalue("vllm_server").url, run, num_beams=20)
    engine.load_adapter(ADAPTER_NAME, run.path)
    engine.use_adapter(ADAPTER_NAME)
    return engine


ENGINES = {"torch": torch_engine, "merged": merged_engine, "vllm": vllm_engine}
PARAMS = ["torch", "merged", pytest.param("vllm", marks=pytest.mark.xdist_group("vllm"))]


@pytest.fixture(scope="module")
def run(chain):
    return load_run(chain.sft)


@pytest.fixture(scope="module", params=PARAMS)
def engine(request, run):
    return ENGINES[request.param](run, request)


@pytest.fixture(scope="module")
def prompts(chain, run):
    """Prompts of very different lengths, an empty history among them."""
    histories = [History("new", ())]
    for number, history in enumerate(Dataset.load(chain.data).histories("valid")):
        if number < 6:
            histories.append(History(history.user_id, history.events[: 1 + 4 * number]))
    return run.encoder.prompts([Request(history) for history in histories])


def test_k_distinct_items_best_first(engine, prompts, run):
    for found in engine.items([ItemQuery(prompt) for prompt in prompts], k=10):
        assert len(found.rows) == len(set(found.rows.tolist())) == 10
        assert (np.diff(found.scores) <= 1e-6).all()
        assert (found.rows >= 0).all() and (found.rows < len(run.table.item_ids)).all()


def test_a_batch_answers_as_each_alone(engine, prompts):
    together = engine.items([ItemQuery(prompt) for prompt in prompts], k=10)
    for prompt, found in zip(prompts, together, strict=True):
        alone = engine.items([ItemQuery(prompt)], k=10)[0]
        assert alone.rows.tolist() == found.rows.tolist()
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-4)


def test_filters_hold_and_leave_k(engine, prompts, run):
    count = len(run.table.item_ids)
    candidates = np.arange(0, count, 3)
    exclude = list(range(0, count, 6))
    queries = [ItemQuery(prompt, exclude, candidates) for prompt in prompts]
    for found in engine.items(queries, k=20):
        assert len(found.rows) == 20
        assert set(found.rows.tolist()) <= set(candidates.tolist()) - set(exclude)


def test_queries_with_and_without_filters_mix(engine, prompts):
    queries = [ItemQuery(prompts[0]), ItemQuery(prompts[1], candidates=np.array([5, 3, 9]))]
    free, narrow = engine.items(queries, k=5)
    assert len(free.rows) == 5
    assert sorted(narrow.rows.tolist()) == [3, 5, 9]


def test_probabilities_of_all_items_sum_to_one(engine, prompts, run):
    """With every item asked for the search is exact, and the scores are a distribution."""
    found = engine.items([ItemQuery(prompts[-1])], k=len(run.table.item_ids))[0]
    assert len(found.rows) == len(run.table.item_ids)
    assert float(np.exp(found.scores).sum()) == pytest.approx(1, abs=1e-4)


def test_scores_of_given_items_are_those_of_the_items_found(engine, prompts, run):
    """Under filters and biases, for prompts that begin alike and for others."""
    count = len(run.table)
    bias = {(int(run.table.codes[0, 0]),): 1.5, tuple(run.table.codes[7, :2].tolist()): -2.0}
    long = prompts[-1]
    asked = [*prompts, *(long[:cut] + long[cut + 9 :] for cut in (40, 60, 80)), long]
    queries = [
        ItemQuery(
            prompt,
            exclude=range(0, count, 6) if number % 2 else (),
            candidates=np.arange(0, count, 3) if number % 3 == 0 else None,
            prefix_bias=bias if number % 2 == 0 else {},
        )
        for number, prompt in enumerate(asked)
    ]
    found = engine.items(queries, k=8)
    rows = [one.rows[number % 4 :] for number, one in enumerate(found)]
    scores = engine.item_scores(queries, rows)
    for number, (one, mine) in enumerate(zip(found, scores, strict=True)):
        np.testing.assert_allclose(mine, one.scores[number % 4 :], atol=1e-4)
        assert mine.dtype == np.float32


def test_scores_of_all_items_are_a_distribution_and_forbidden_ones_have_none(engine, prompts, run):
    count = len(run.table)
    exclude = list(range(0, count, 5))
    query = ItemQuery(prompts[2], exclude, prefix_bias={(int(run.table.codes[1, 0]),): -3.0})
    scores = engine.item_scores([query], [range(count)])[0]
    assert np.isneginf(scores[exclude]).all()
    assert np.isfinite(np.delete(scores, exclude)).all()
    assert float(np.exp(scores).sum()) == pytest.approx(1, abs=1e-4)


def test_a_tilt_moves_its_interest_and_leaves_k(engine, prompts, run):
    first = int(run.table.codes[3, 0])
    under = set(np.flatnonzero(run.table.codes[:, 0] == first).tolist())
    shares = []
    for nats in (-30.0, -2.0, 0.0, 2.0, 30.0):
        found = engine.items(
            [ItemQuery(prompts[3], prefix_bias={(first,): nats})], k=len(run.table)
        )[0]
        assert len(found.rows) == len(run.table)
        shares.append(sum(np.exp(found.scores[[row in under for row in found.rows]])))
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0, abs=1e-6) and shares[-1] == pytest.approx(1, abs=1e-6)
    plain = engine.items([ItemQuery(prompts[3])], k=10)[0]
    still = engine.items([ItemQuery(prompts[3], prefix_bias={(first,): 0.0, (10**6,): 1.0})], k=10)[
        0
    ]
    assert still.rows.tolist() == plain.rows.tolist()
    np.testing.assert_allclose(still.scores, plain.scores, atol=1e-5)


def test_what_matches_a_wish_moves_up(engine, prompts, run):
    some, well = (RowScores(np.array([3]), np.array([match], np.float32)) for match in (0.1, 50.0))
    assert run.sasrec_head.terms.wish > 0
    plain, heeded = (
        np.concatenate(engine.item_scores(queries, [[3]] * len(prompts)))
        for queries in (
            [ItemQuery(prompt) for prompt in prompts],
            [ItemQuery(prompt, matches=some) for prompt in prompts],
        )
    )
    assert (heeded > plain).all()
    for found in engine.items([ItemQuery(prompt, matches=well) for prompt in prompts], k=10):
        assert found.rows[0] == 3 and len(found.rows) == 10


def test_first_codes_are_the_first_level_of_the_items(engine, prompts, run):
    log_probs = engine.code_log_probs(prompts)
    assert log_probs.shape == (len(prompts), run.table.codebook_size)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-5)
    everything = engine.items([ItemQuery(prompts[-1])], k=len(run.table.item_ids))[0]
    summed = np.zeros(run.table.codebook_size)
    np.add.at(summed, run.table.codes[everything.rows, 0], np.exp(everything.scores))
    np.testing.assert_allclose(np.exp(log_probs[-1]), summed, atol=1e-4)


def test_codes_below_a_prefix_are_shares_of_its_items(engine, prompts, run):
    """Also where a prompt begins another, as the moments of a history do."""
    opening = run.encoder.opening
    longest = max(prompts, key=lambda prompt: list(prompt).count(opening))
    moments = [longest[: place + 1] for place, token in enumerate(longest) if token == opening]
    assert len(moments) > 1
    everything = engine.items([ItemQuery(moments[-1])], k=len(run.table.item_ids))[0]
    codes, odds = run.table.codes[everything.rows], np.exp(everything.scores)
    first = int(codes[0, 0])
    for prefix in ((), (first,), (first, int(codes[0, 1]))):
        below = (codes[:, : len(prefix)] == prefix).all(axis=1)
        summed = np.zeros(run.table.codebook_size)
        np.add.at(summed, codes[below, len(prefix)], odds[below] / odds[below].sum())
        together = engine.code_log_probs(moments, prefix)
        np.testing.assert_allclose(np.exp(together[-1]), summed, atol=1e-4)
        for moment, row in zip(moments, together, strict=True):
            np.testing.assert_allclose(row, engine.code_log_probs([moment], prefix)[0], atol=1e-4)


@pytest.mark.parametrize("prefix", [(10**6,), (0, 0, 0), (0, 0, 0, 0)])
def test_codes_below_what_no_item_begins_with_are_refused(engine, prompts, prefix):
    with pytest.raises(DecodeError):
        engine.code_log_probs(prompts, prefix)


def test_text_is_of_each_prompts_own_grammar(engine, prompts, run):
    """Each prompt chooses among other tokens; what is forced comes as it is, to the end."""
    codes = run.vocabulary.token_ids[0][:8].tolist()
    opening, between, end = Tokens((7, 8)), Tokens((9,)), Tokens((5,))
    grammars = []
    for number in range(len(prompts)):
        mine = Choice(tuple(Tokens((code, code)) for code in codes[number % 3 :]))
        grammars.append(Series((opening, Repeat(mine, 2, 3, between), end)))
    texts = engine.text(prompts, grammars, max_tokens=40)
    assert len(texts) == len(prompts)
    for text, grammar in zip(texts, grammars, strict=True):
        state = GrammarState(grammar)
        for token in text:
            state.advance(token)
        assert state.is_complete and not state.allowed
        assert text[:2] == [7, 8] and text[-1] == 5
    shared = engine.text(prompts[:2], [grammars[0]] * 2, max_tokens=4)
    assert [len(text) for text in shared] == [4, 4] and shared[0] == texts[0][:4]


def test_nothing_asked_nothing_answered(engine, prompts):
    assert engine.items([], k=3) == []
    assert engine.item_scores([], []) == []
    assert engine.item_scores([ItemQuery(prompts[0])], [[]])[0].shape == (0,)
    assert engine.text([], [], max_tokens=4) == []


def answers(engine, prompts):
    found = engine.items([ItemQuery(prompt) for prompt in prompts], k=5)
    return np.stack([one.scores for one in found])


def test_adapters_come_and_go_without_a_stop(engine, prompts, chain):
    """The base alone, the adapter under a second name, and back."""
    before, start = answers(engine, prompts), engine.adapter
    engine.load_adapter("again", chain.sft)
    assert engine.adapter == start and set(engine.adapters) == {start, "again"}
    engine.use_adapter("again")
    assert answers(engine, prompts) == pytest.approx(before, abs=1e-4)
    engine.use_adapter(None)
    assert engine.adapter is None
    bare = answers(engine, prompts)
    assert bare != pytest.approx(before, abs=1e-2)
    engine.drop_adapter("again")
    assert answers(engine, prompts) == pytest.approx(bare, abs=1e-4)
    engine.use_adapter(start)
    assert answers(engine, prompts) == pytest.approx(before, abs=1e-4)


def test_queries_of_one_batch_may_want_other_adapters_and_widths(engine, prompts, chain):
    bare, start = engine.adapter, answers(engine, prompts)
    engine.load_adapter("again", chain.sft)
    try:
        engine.use_adapter(None)
        alone = answers(engine, prompts)
        wants = [ModelSettings("again"), AS_SERVED, ModelSettings(num_beams=5)]
        queries = [
            ItemQuery(prompt, model=wants[n % 3]) for prompt in prompts[:4] for n in range(3)
        ]
        found = engine.items(queries, k=5)
        assert engine.adapter is None
        for n, (tuned, plain) in enumerate(zip(start, alone, strict=True)):
            if n < 4:
                np.testing.assert_allclose(found[3 * n].scores, tuned, atol=1e-4)
                np.testing.assert_allclose(found[3 * n + 1].scores, plain, atol=1e-4)
        narrow = engine.items([ItemQuery(prompts[-1], model=ModelSettings(num_beams=5))], k=2)
        assert len(narrow[0].rows) == 2
        scores = engine.item_scores(queries, [one.rows for one in found])
        for one, mine in zip(found, scores, strict=True):
            np.testing.assert_allclose(mine, one.scores, atol=1e-4)
        with pytest.raises(ConfigError, match="nobody"):
            engine.items([ItemQuery(prompts[0], model=ModelSettings("nobody"))], k=2)
    finally:
        engine.use_adapter(bare)
        engine.drop_adapter("again")


def test_wrong_adapters_are_refused_and_change_nothing(engine, prompts, chain, tmp_path):
    before = answers(engine, prompts)
    other = tmp_path / "other"
    shutil.copytree(chain.sft, other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["parents"]["base"]["content_hash"] = "0" * 16
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="0000000000000000"):
        engine.load_adapter("other", other)
    with pytest.raises(ArtifactError, match="does not exist"):
        engine.load_adapter("none", tmp_path / "none")
    with pytest.raises(ConfigError, match="no adapter name"):
        engine.load_adapter("../x", chain.sft)
    with pytest.raises(ConfigError, match="loaded already"):
        engine.load_adapter(engine.adapter, chain.sft)
    with pytest.raises(ConfigError, match="nobody"):
        engine.use_adapter("nobody")
    with pytest.raises(ConfigError, match="in use"):
        engine.drop_adapter(engine.adapter)
    assert answers(engine, prompts) == pytest.approx(before, abs=1e-4)


def test_a_new_item_can_be_found_at_once(engine, prompts, run):
    table = run.table
    grown = add_items(table, [Item("new item", title="Tea kettle of glass")])
    engine.replace_table(grown)
    try:
        new = grown.index_of("new item")
        found = engine.items([ItemQuery(prompts[0], candidates=np.array([new]))], k=5)[0]
        assert found.rows.tolist() == [new]
        everything = engine.items([ItemQuery(prompts[0])], k=len(grown))[0]
        assert new in everything.rows and len(everything.rows) == len(grown)
        assert float(np.exp(everything.scores).sum()) == pytest.approx(1, abs=1e-4)
    finally:
        engine.replace_table(table)
    assert len(engine.items([ItemQuery(prompts[0])], k=len(grown))[0].rows) == len(table)
