"""The engine behind a URL against the engine in this process: the same answers."""

import socket
import threading
from itertools import islice

import httpx
import numpy as np
import pytest

from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.vllm.client import VllmEngine
from genrec.errors import ConfigError, DecodeError, EngineUnavailable
from genrec.interests.summary.codec import SummaryCodec
from genrec.interests.summary.generate import write_summaries
from genrec.recommender import Recommender
from genrec.schema import History, Item, Request
from genrec.semantic_ids.extend import add_items
from genrec.stream.templates import END_MARKER


def same(one, other, tolerance=1e-4):
    """The same items with the same scores; those as good as equal may change places."""
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left.scores, right.scores, atol=tolerance)
        mine = dict(zip(left.rows.tolist(), left.scores, strict=True))
        theirs = dict(zip(right.rows.tolist(), right.scores, strict=True))
        for row in mine.keys() & theirs.keys():
            assert mine[row] == pytest.approx(theirs[row], abs=tolerance)
        odd = mine.keys() ^ theirs.keys()  # only a tie at the very end may leave one out
        last = min(left.scores)
        assert all({**mine, **theirs}[row] == pytest.approx(last, abs=tolerance) for row in odd)


def test_same_items_same_scores_with_and_without_adapter(engine, torch_engine, prompts):
    """Both engines take the adapter off and on again: neither ignores it."""
    queries = [
        ItemQuery(
            prompt, exclude=range(number), candidates=None if number % 2 else np.arange(0, 120, 2)
        )
        for number, prompt in enumerate(prompts)
    ]
    with_adapter = torch_engine.items(queries, 10)
    same(engine.items(queries, 10), with_adapter)
    try:
        engine.use_adapter(None)
        torch_engine.use_adapter(None)
        bare = torch_engine.items(queries, 10)
        same(engine.items(queries, 10), bare)
    finally:
        torch_engine.use_adapter("default")
    differences = [
        np.abs(a.scores - b.scores).max() for a, b in zip(with_adapter, bare, strict=True)
    ]
    assert max(differences) > 0.01


def test_same_scores_of_given_items_under_filters_and_tilts(engine, torch_engine, prompts, run):
    bias = {(int(run.table.codes[5, 0]),): 2.0, tuple(run.table.codes[9, :2].tolist()): -1.0}
    long = prompts[-1]
    asked = [*prompts, *(long[:cut] + long[cut + 11 :] for cut in (30, 50, 70))]
    queries = [
        ItemQuery(prompt, range(number), np.arange(0, 120, 2) if number % 3 == 0 else None, bias)
        for number, prompt in enumerate(asked)
    ]
    rows = [range(number, 120, 7 + number) for number in range(len(asked))]
    mine, theirs = engine.item_scores(queries, rows), torch_engine.item_scores(queries, rows)
    for one, other in zip(mine, theirs, strict=True):
        assert (np.isneginf(one) == np.isneginf(other)).all()
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert any(np.isneginf(one).any() for one in mine)
    same(engine.items(queries, 8), torch_engine.items(queries, 8))


def test_an_explanation_is_the_same_from_both(vllm_server, chain):
    here = Recommender.from_pretrained(chain.sft, "cpu", num_beams=20)
    there = Recommender.from_pretrained(chain.sft, num_beams=20, vllm=vllm_server.url)
    past = list(here.data.histories("test"))[1]
    item = here.recommend(past.user_id, k=1)[0].item_id
    mine, other = there.explain(item, past.user_id), here.explain(item, past.user_id)
    assert mine.score == pytest.approx(other.score, abs=1e-4)
    nats = [effect.nats for effect in other.effects]
    assert [effect.nats for effect in mine.effects] == pytest.approx(nats, abs=2e-4)


def test_same_first_codes(engine, torch_engine, prompts):
    mine, theirs = engine.code_log_probs(prompts), torch_engine.code_log_probs(prompts)
    assert (np.isfinite(mine) == np.isfinite(theirs)).all()
    np.testing.assert_allclose(mine, theirs, atol=1e-4)


def test_same_text_token_for_token(engine, torch_engine, run, chain):
    histories = [*islice(Dataset.load(chain.data).histories("valid"), 4), History("new", ())]
    codec = SummaryCodec(run.encoder)
    _, mine = write_summaries(histories, engine, codec)
    assert mine == write_summaries(histories, torch_engine, codec)[1]
    end = run.encoder.tokenize([END_MARKER])[0]
    assert all(text[-1:] == end for text in mine)


def test_a_recommender_with_a_url_recommends_the_same(vllm_server, chain):
    here = Recommender.from_pretrained(chain.sft, "cpu", num_beams=20)
    there = Recommender.from_pretrained(chain.sft, num_beams=20, vllm=vllm_server.url)
    requests = [
        Request(history) for history in list(Dataset.load(chain.data).histories("test"))[:6]
    ]
    for mine, other in zip(
        there.rank_many(requests, 10), here.rank_many(requests, 10), strict=True
    ):
        assert [item.item_id for item in mine] == [item.item_id for item in other]


def test_threads_ask_at_once_and_each_gets_its_own(engine, torch_engine, prompts):
    expected = torch_engine.items([ItemQuery(prompt) for prompt in prompts], 10)
    answers: dict[int, list] = {}

    def ask(number):
        answers[number] = engine.items([ItemQuery(prompts[number % len(prompts)])], 10)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, answer in answers.items():
        same(answer, [expected[number % len(prompts)]])
    assert len(answers) == 18


def test_what_a_server_forgot_is_given_again(engine, vllm_server, prompts, run):
    """A server that was started anew has neither the grown table nor the adapter."""
    grown = add_items(run.table, [Item("new", title="Tea kettle of glass")])
    new = np.array([grown.index_of("new")])
    before = engine.items([ItemQuery(prompts[0])], 10)
    try:
        engine.replace_table(grown)
        assert (
            engine.items([ItemQuery(prompts[0], candidates=new)], 1)[0].rows.tolist()
            == new.tolist()
        )
        other = VllmEngine(vllm_server.url, run)
        other.replace_table(run.table)
        for name in httpx.get(f"{vllm_server.url}/genrec").json()["adapters"]:
            httpx.delete(f"{vllm_server.url}/genrec/adapters/{name}").raise_for_status()
        assert (
            engine.items([ItemQuery(prompts[0], candidates=new)], 1)[0].rows.tolist()
            == new.tolist()
        )
    finally:
        engine.replace_table(run.table)
    same(engine.items([ItemQuery(prompts[0])], 10), before)


def test_a_server_that_is_away_is_an_error_to_ask_again_after(run):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(EngineUnavailable, match="ConnectError"):
            VllmEngine(url, run)
        mute.listen()
        with pytest.raises(EngineUnavailable, match="ReadTimeout"):
            VllmEngine(url, run, timeout_s=0.2)


def test_questions_that_make_no_sense_are_refused_and_the_server_lives(
    engine, vllm_server, prompts, run
):
    with pytest.raises(DecodeError, match="opens an item"):
        engine.items([ItemQuery(prompts[0][:-1])], 3)
    with pytest.raises(DecodeError, match="no room"):
        engine.items([ItemQuery([5] * 300 + prompts[0][-1:])], 3)
    with pytest.raises(ConfigError, match="outside|served table|vocabulary|not in"):
        engine.items([ItemQuery([10**6, prompts[0][-1]])], 3)
    about = {"base": "0" * 16, "table": "0" * 16, "prompts": [[1]]}
    answer = httpx.post(f"{vllm_server.url}/genrec/codes", json=about)
    assert answer.status_code == 400 and "this server runs base" in answer.text
    about |= {"base": engine._base, "table": engine._table_id, "prompts": [prompts[0]]}
    told = [{"rows": [1], "scores": []}], [{"rows": [10**6], "scores": [1.0]}], []
    for wrong in (
        *({"rows": [[10**6]]}, {"rows": []}, {"rows": [[1]], "prefix_bias": []}),
        *({"rows": [[1]], name: each} for name in ("matches", "popularity") for each in told),
    ):
        body = about | {"exclude": [[]], "candidates": [None]} | wrong
        assert httpx.post(f"{vllm_server.url}/genrec/scores", json=body).status_code == 400
    table = {"base": engine._base, "item_ids": ["a", "b"], "codes": [[0, 0, 0], [0, 0, 0]]}
    table["seen_in_training"] = [True, True]
    answer = httpx.put(f"{vllm_server.url}/genrec/table", json=table)
    assert answer.status_code == 400 and "share a semantic ID" in answer.text
    table["codes"] = [[0, 0, 0], [0, 0, 10**6]]
    assert "codebook" in httpx.put(f"{vllm_server.url}/genrec/table", json=table).text
    table |= {"codes": [[0, 0, 0], [0, 0, 1]], "text_vectors": {"a": [1.0]}}
    assert "1 numbers for the text" in httpx.put(f"{vllm_server.url}/genrec/table", json=table).text
    assert len(engine.items([ItemQuery(prompts[0])], 3)[0].rows) == 3
