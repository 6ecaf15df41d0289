"""Every path against a real vLLM server of a stock kind: nothing of ours runs in it."""

import asyncio
import json

import numpy as np
import pytest

from benchmarks.zero_shot import measure_speed, speed_prompts
from genrec.recommender import Recommender
from genrec.zero_shot.config import ZeroShotConfig
from genrec.zero_shot.endpoint import EndpointChat
from genrec.zero_shot.local import LocalChat
from tests.conftest import genrec, succeed
from tests.zero_shot.conftest import SERVED, varied


@pytest.fixture(scope="module")
def connect(chat_server, chain):
    made = []

    def connect(**settings):
        recommender = Recommender.zero_shot(
            f"{chat_server.url}/v1", chain.data, ZeroShotConfig(**settings), chain.index
        )
        made.append(recommender)
        return recommender

    yield connect
    for recommender in made:
        recommender.close()


def test_what_the_server_can_is_found_out(connect):
    recommender = connect()
    assert recommender.model_name == SERVED and recommender.method == "logprob"
    assert recommender._loop.run(recommender._model.context_tokens()) == 2048
    recommender.ping()


def test_server_and_process_agree(connect, chat_model, requests):
    recommender = connect()
    local = LocalChat(str(chat_model), "cpu")
    prompts = recommender._loop.run(speed_prompts(recommender, requests[:8]))
    for chat, titles in prompts:
        there = recommender._loop.run(recommender._model.score(chat, titles))
        assert there == pytest.approx(asyncio.run(local.score(chat, titles)), abs=1e-3)
        assert np.exp(there).sum() == pytest.approx(1)
        count = recommender._loop.run(recommender._model.count_tokens(chat))
        assert count == asyncio.run(local.count_tokens(chat))
        chosen = recommender._loop.run(recommender._model.choose(chat, titles))
        assert chosen in titles


def test_a_thousand_requests_name_only_real_items_and_candidates(connect, requests, data):
    asked = 0
    for method, count, most in (("logprob", 600, 6), ("generate", 250, 4), ("open", 150, 4)):
        recommender = connect(method=method, num_candidates=most, answer_tokens=256)
        questions = varied(requests, count)
        candidates = recommender._candidates(questions)
        answers = recommender.rank_many(questions, most)
        for request, items, answer in zip(questions, candidates, answers, strict=True):
            ids = [found.item_id for found in answer]
            seen = {event.item_id for event in request.history.events}
            assert len(ids) == len(set(ids)) and set(ids) <= set(data.item_index)
            assert not set(ids) & (seen | request.exclude)
            if method != "open" and answer:
                assert set(ids) == {item.item_id for item in items}
        asked += len(answers)
        usage = recommender.usage
        assert usage.tasks == count
        if method == "open":
            # So small a model may name nothing that exists; then that is what is counted.
            named = sum(map(len, answers)) + sum(usage.dropped.values())
            assert named >= count - usage.failed_tasks
        else:
            assert usage.failed_tasks == 0 and all(answers)
    assert asked == 1000


def test_the_prompt_is_read_once_five_times_faster_at_least(connect, requests):
    recommender = connect()
    prompts = recommender._loop.run(speed_prompts(recommender, requests[-9:]))
    recommender._loop.run(measure_speed(recommender._model, prompts[:1], 1))
    found = recommender._loop.run(measure_speed(recommender._model, prompts[1:], 2))
    assert found["largest_difference"] < 1e-3
    assert found["times_faster"] >= 5, found


def test_interests_and_ratings(connect, requests, data):
    recommender = connect()
    names = set(recommender.table.names.values())
    for request in requests[:8]:
        summary = recommender.interests_many([request.history])[0]
        assert summary.words and summary.words == summary.content.summary
        for interest in summary.interests:
            assert interest.name in names and len(interest.evidence) >= 2
            assert set(interest.evidence) <= set(request.history.events)
        assert not {interest.name for interest in summary.interests} & set(summary.unsupported)
    asked = [(request.history, data.items[3]) for request in requests[:8]]
    assert all(1 <= found.rating <= 5 for found in recommender.predict_ratings(asked))


def test_a_history_is_cut_to_the_servers_length(connect, requests, data):
    recommender = connect()
    lengths = []
    score = recommender._model.score

    async def watch(chat, options):
        lengths.append(await recommender._model.count_tokens(chat))
        return await score(chat, options)

    recommender._model.score = watch
    longest = sorted(requests, key=lambda one: -len(one.history.events))[:4]
    answers = recommender.rank_many(longest, 5)
    assert all(len(answer) == 5 for answer in answers)
    assert max(lengths) <= 2048


def test_a_rerun_of_an_evaluation_asks_nothing(chat_server, chain, tmp_path):
    command = [
        *("evaluate", "--zero-shot", "--model", chat_server.url, "--data", chain.data),
        *("--index", chain.index, "--max-users", 10, "--cache", tmp_path / "answers.db"),
        *("--set", "num_candidates=5", "--set", "examples=1", "--json"),
    ]
    first, second = (json.loads(succeed(genrec(*command)).stdout) for _ in range(2))
    assert first["zero_shot"]["usage"]["prompt_tokens"] > 0
    assert second["zero_shot"]["usage"]["prompt_tokens"] == 0
    assert second["zero_shot"]["usage"]["cached"] > 0
    for mode in ("filtered", "unfiltered"):
        one, other = (found["rankers"]["zero-shot"][mode] for found in (first, second))
        assert one["ndcg@10"] == other["ndcg@10"]


def test_interests_from_the_command_line(chat_server, chain):
    done = succeed(
        genrec(
            *("interests", "--zero-shot", "--model", chat_server.url, "--data", chain.data),
            *("--index", chain.index, "--user", "uma-054", "--json"),
        )
    )
    assert json.loads(done.stdout)["words"]


def test_a_model_that_is_not_served_is_named(chat_server):
    chat = EndpointChat(chat_server.url, model="another")

    async def talk():
        try:
            await chat.connect()
        finally:
            await chat.close()

    with pytest.raises(Exception, match="serves no model 'another', but toy-chat"):
        asyncio.run(talk())
