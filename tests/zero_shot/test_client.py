"""Against an endpoint that misbehaves: an answer or a counted failure, in bounded time."""

import asyncio
import time

import pytest

from genrec.errors import ArtifactError, ConfigError, EngineUnavailable
from genrec.recommender import Recommender
from genrec.zero_shot.cache import AnswerCache
from genrec.zero_shot.chat import ChatError
from genrec.zero_shot.client import Client, _retry_after
from genrec.zero_shot.config import RetryPolicy, ZeroShotConfig
from genrec.zero_shot.usage import Usage
from tests.zero_shot.faulty_server import HANG_S, FaultyServer

HASTE = {
    "method": "generate", "num_candidates": 6, "concurrency": 16, "timeout_s": 0.4, "attempts": 4,
    "first_wait_s": 0.02, "deadline_s": 10,
}  # fmt: skip


def connect(server, data, index, cache):
    config = ZeroShotConfig(**HASTE, cache=cache, prompt_price=2.0, answer_price=10.0)
    return Recommender.zero_shot(server.url, data.path, config, index)


def test_every_request_ends_and_a_rerun_asks_nothing_again(faulty, data, chain, requests, tmp_path):
    cache = tmp_path / "answers.db"
    recommender = connect(faulty, data, chain.index, cache)
    begin = time.monotonic()
    answers = recommender.rank_many(requests, 6)
    took = time.monotonic() - begin
    usage = recommender.usage
    failed = [not answer for answer in answers]
    assert len(answers) == len(requests) == usage.tasks
    assert all(len(answer) == 6 for answer in answers if answer)
    # Nothing that failed was replaced, and nothing was left uncounted.
    assert 0 < sum(failed) == usage.failed_tasks == usage.failed < len(requests) / 2
    assert usage.retries > 0 and usage.repaired > 0
    assert len(faulty.faults) > 10, faulty.faults
    # Every request may take attempts x timeout and the waits; 16 are under way at a time.
    worst_s = 2 * 4 * (0.4 + 0.3)
    assert took < 5 + len(requests) / 16 * worst_s
    assert usage.cost == pytest.approx((usage.prompt_tokens * 2 + usage.answer_tokens * 10) / 1e6)
    recommender.close()

    # The server recovers; what had been answered is not asked again.
    faulty.fault_share = faulty.hopeless_share = 0.0
    before = sum(faulty.seen.values())
    recommender = connect(faulty, data, chain.index, cache)
    second = recommender.rank_many(requests, 6)
    assert recommender.usage.cached >= len(requests) - sum(failed)
    # Of what failed the question is asked again, and its one repair.
    assert sum(faulty.seen.values()) - before <= 2 * sum(failed)
    for one, other, was_failed in zip(answers, second, failed, strict=True):
        assert was_failed or one == other
    assert sum(not answer for answer in second) <= sum(failed)
    recommender.close()

    before = sum(faulty.seen.values())
    recommender = connect(faulty, data, chain.index, cache)
    assert recommender.rank_many(requests, 6) == second
    assert sum(faulty.seen.values()) == before
    recommender.close()


def test_nobody_there(data, chain):
    config = ZeroShotConfig(**{**HASTE, "attempts": 2})
    with pytest.raises(EngineUnavailable, match="does not answer"):
        Recommender.zero_shot("http://127.0.0.1:9", data.path, config, chain.index)


def test_one_who_asks_alone_is_told_why(faulty, data, chain):
    recommender = connect(faulty, data, chain.index, None)
    faulty.hopeless_share = 1.0
    with pytest.raises(EngineUnavailable, match="no usable answer"):
        recommender.recommend("uma-054", k=3)
    recommender.close()


def ask(server, policy, path="/v1/chat/completions", key=None):
    usage = Usage()
    client = Client(server.url, usage, policy, key)

    async def talk():
        body = {"messages": [{"role": "user", "content": 'Candidates:\n- "a"'}]}
        try:
            return await client.ask(path, body, lambda content: content["choices"][0])
        finally:
            await client.close()

    return usage, talk


def fail(fault, policy, told):
    """Ask a server that always fails; return the usage and how long that took."""
    server = FaultyServer(0, 1.0)
    server.fault_of = lambda *_: fault
    usage, talk = ask(server, policy)
    begin = time.monotonic()
    with pytest.raises(ChatError, match=told):
        asyncio.run(talk())
    took_s = time.monotonic() - begin
    server.stop()
    return usage, took_s


def test_a_server_that_hangs_is_left_in_time():
    policy = RetryPolicy(timeout_s=0.2, attempts=3, first_wait_s=0.01)
    usage, took_s = fail("hang", policy, "timeout")
    assert took_s < HANG_S
    assert (usage.sent, usage.retries, usage.failures) == (3, 2, {"timeout": 1})


def test_the_deadline_ends_what_attempts_would_not():
    policy = RetryPolicy(attempts=1000, deadline_s=0.5, first_wait_s=0.1)
    assert fail("500", policy, "http 500")[1] < 1.5


def test_a_refusal_is_said_at_once():
    server = FaultyServer()
    server.misbehave = lambda handler, *_: handler.reply(401, {"error": {"message": "who?"}})
    usage, talk = ask(server, RetryPolicy())
    with pytest.raises(ConfigError, match="HTTP 401: who"):
        asyncio.run(talk())
    server.misbehave = lambda handler, *_: handler.reply(400, {"error": {"message": "too long"}})
    usage, talk = ask(server, RetryPolicy())
    with pytest.raises(ChatError, match="too long"):
        asyncio.run(talk())
    assert usage.sent == 1 and usage.failures == {"http 400": 1}
    server.stop()


def test_no_more_at_once_than_allowed():
    server = FaultyServer(0, 0)
    under_way, most = [0], [0]
    answer = server.handle

    def count(handler, body):
        under_way[0] += 1
        most[0] = max(most[0], under_way[0])
        time.sleep(0.02)
        answer(handler, body)
        under_way[0] -= 1

    server.handle = count
    usage = Usage()
    client = Client(server.url, usage, RetryPolicy(concurrency=3))

    async def talk():
        bodies = [{"messages": [{"role": "user", "content": f"{n}"}]} for n in range(20)]
        asks = (client.ask("/v1/chat/completions", body, lambda c: c) for body in bodies)
        await asyncio.gather(*asks)
        await client.close()

    asyncio.run(talk())
    assert usage.sent == 20 and 1 < most[0] <= 3
    server.stop()


def test_retry_after():
    assert _retry_after(None) == _retry_after("soon") == _retry_after("-3") == 0
    assert _retry_after("2.5") == 2.5
    assert _retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_answers_of_a_model_in_this_process_are_not_kept(chain, chat_model, tmp_path):
    config = ZeroShotConfig(cache=tmp_path / "answers.db")
    with pytest.raises(ConfigError, match="--cache"):
        Recommender.zero_shot(str(chat_model), chain.data, config, chain.index)
    assert not config.cache.exists()


def test_the_cache_survives_and_refuses_other_files(tmp_path):
    cache = AnswerCache(tmp_path / "deep" / "answers.db")
    cache.put("a", {"x": [1, "é"]})
    # Not closed: as after a kill.
    again = AnswerCache(tmp_path / "deep" / "answers.db")
    assert again.get("a") == {"x": [1, "é"]} and again.get("b") is None and len(again) == 1
    (tmp_path / "other").write_bytes(b"no database" * 100)
    with pytest.raises(ArtifactError, match="--cache"):
        AnswerCache(tmp_path / "other")
