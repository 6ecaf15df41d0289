"""What is kept of prompts: answers are those of an engine that keeps nothing, whatever happened."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.decode import prefix_cache
from genrec.decode.prefix_cache import BLOCK_TOKENS, PrefixCache, chain_keys
from genrec.engines import read_prompts
from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.interests.summary.codec import SummaryCodec
from genrec.interests.summary.generate import write_summaries
from genrec.model.load import load_run
from genrec.recommender import Recommender
from genrec.schema import Event, History, ModelSettings, Request

USERS = ("a", "b", "c")
BUDGET = 1 << 20


@pytest.fixture(scope="module")
def pair(shop_run):
    """One model behind two engines: one keeps prompts, the other nothing."""
    return [
        Recommender.from_pretrained(shop_run, "cpu", num_beams=18, session_cache_mb=megabytes)
        for megabytes in (1, 0)
    ]


def event(user, item, day):
    return Event(user, f"i{item}", 1_700_000_000 + 86_400 * day, "view" if item % 2 else "buy")


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("append"),
            st.sampled_from(USERS),
            st.lists(st.integers(0, 17), min_size=1, max_size=8),
        ),
        st.tuples(st.just("late"), st.sampled_from(USERS), st.integers(0, 17)),
        st.tuples(st.just("forget"), st.sampled_from(USERS), st.none()),
        st.tuples(st.just("rewrite"), st.none(), st.integers(0, 17)),
        st.tuples(st.just("ask"), st.just(USERS), st.booleans()),
    ),
    min_size=4,
    max_size=14,
)


@pytest.mark.slow
@pytest.mark.parametrize("call_tokens", [0, read_prompts.CALL_TOKENS])
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(STEPS)
def test_whatever_happened_a_cached_answer_is_a_fresh_one(pair, monkeypatch, call_tokens, steps):
    kept, fresh = pair
    monkeypatch.setattr(read_prompts, "CALL_TOKENS", call_tokens)
    events = {user: [] for user in USERS}
    for number, (kind, user, what) in enumerate([*steps, ("ask", USERS, True)]):
        if kind == "append":
            events[user] += [event(user, item, 100 + number) for item in what]
        elif kind == "late":
            events[user].insert(0, event(user, what, 0))
        elif kind == "forget":
            events[user] = []
            kept.forget(user)
        elif kind == "rewrite":
            for each in pair:
                item = each.item(f"i{what}")
                each.rewrite_items([replace(item, title=f"new words {number}")])
        else:
            asked = [Request(History(user, tuple(events[user]))) for user in USERS]
            check_equal(kept, fresh, [*asked, replace(asked[0], filter_seen=False)])
            scored = [replace(each, filter_seen=False) for each in asked]
            np.testing.assert_allclose(
                kept.score_many(scored, ["i3"] * 3), fresh.score_many(scored, ["i3"] * 3), atol=1e-4
            )
    assert kept.session_cache.num_bytes <= BUDGET


def check_equal(kept, fresh, requests):
    for mine, theirs in zip(
        kept.rank_many(requests, 18), fresh.rank_many(requests, 18), strict=True
    ):
        scores = {item.item_id: item.score for item in theirs}
        assert {item.item_id for item in mine} == scores.keys()
        for item in mine:
            assert item.score == pytest.approx(scores[item.item_id], abs=1e-4)


def test_of_one_who_returns_only_what_is_new_is_read(shop_run, monkeypatch):
    recommender = Recommender.from_pretrained(shop_run, "cpu", num_beams=18, session_cache_mb=4)
    read = []
    layer = recommender._engine.model.get_input_embeddings()
    hook = layer.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape))
    events = tuple(event("u", item % 18, item) for item in range(15))
    before = recommender._prompt(Request(History("u", events)))[1]
    recommender.rank_many([Request(History("u", events))], 3)
    assert read[0] == (1, before)
    read.clear()
    more = Request(History("u", (*events, event("u", 4, 20))))
    new = recommender._prompt(more)[1] - before
    recommender.rank_many([more], 3)
    # The question at the end of the first prompt, and what did not fill a block.
    assert read[0][1] <= new + 2 * BLOCK_TOKENS
    # Beside somebody new, and each is read apart: padding would cost more than another call.
    monkeypatch.setattr(read_prompts, "CALL_TOKENS", 0)
    read.clear()
    somebody = Request(replace(more.history, user_id="somebody else"))
    recommender.rank_many([somebody, more], 3)
    assert read[0][0] == read[1][0] == 1 and read[0][1] <= BLOCK_TOKENS
    hook.remove()


def test_under_autocast_some_of_a_batch_may_be_known(shop_run, monkeypatch):
    """As where a training in bfloat16 chooses its fusion."""
    monkeypatch.setattr(read_prompts, "CALL_TOKENS", 0)
    run = load_run(shop_run)
    kept, fresh = (TorchEngine(run, "cpu", 18, session_cache_mb=size) for size in (1, 0))
    histories = [
        History(user, tuple(event(user, (7 * day + len(user)) % 18, day) for day in range(30)))
        for user in ("known", "new")
    ]
    queries = [ItemQuery(prompt) for prompt in run.encoder.prompts(list(map(Request, histories)))]
    with torch.autocast("cpu", torch.bfloat16):
        kept.items(queries[:1], 5)
        for one, other in zip(kept.items(queries, 18), fresh.items(queries, 18), strict=True):
            np.testing.assert_allclose(np.sort(one.scores), np.sort(other.scores), atol=0.05)
    assert len(kept.prefix_cache)


def test_what_is_kept_of_one_user_goes_and_nothing_else(pair):
    cache = pair[0].session_cache
    asked = [
        Request(History(user, tuple(event(user, n, n) for n in range(10)))) for user in ("x", "y")
    ]
    for user in ("x", "y", *USERS):
        pair[0].forget(user)
    assert (len(cache), cache.num_bytes) == (0, 0)
    pair[0].rank_many(asked[1:], 3)
    of_y = len(cache)
    pair[0].rank_many(asked, 3)
    assert len(cache) > of_y > 0
    pair[0].forget("x")
    assert len(cache) == of_y
    assert list(pair[0]._run.encoder.sessions._kept) == ["y"]
    found = cache.tokens_found
    pair[0].rank_many(asked[:1], 3)
    assert cache.tokens_found == found


def test_texts_and_codes_find_what_was_read_for_items(chain):
    run = load_run(chain.pretrain)
    kept, fresh = (TorchEngine(run, num_beams=5, session_cache_mb=size) for size in (8, 0))
    data = Dataset.load(run.histories)
    histories = [past for past in data.histories("valid") if len(past.events) > 8][:3]
    owners = [history.user_id for history in histories]
    prompts = run.encoder.prompts([Request(history) for history in histories])
    asked = zip(prompts, owners, strict=True)
    kept.items([ItemQuery(prompt, owner=owner) for prompt, owner in asked], 3)
    blocks = sum(BLOCK_TOKENS * len(chain_keys("", "", prompt)) for prompt in prompts)
    cache = kept.prefix_cache
    for depth in range(run.table.num_levels):
        prefix = tuple(map(int, run.table.codes[0, :depth]))
        found = cache.tokens_found
        mine = kept.code_log_probs(prompts, prefix, owners)
        assert cache.tokens_found - found == blocks
        np.testing.assert_allclose(mine, fresh.code_log_probs(prompts, prefix), atol=1e-4)
    # Summaries read events in brief, so they find what those before them read.
    codec = SummaryCodec(run.encoder)
    before = [replace(history, events=history.events[:-1]) for history in histories]
    write_summaries(before, kept, codec)
    found = cache.tokens_found
    written = write_summaries(histories, kept, codec)[1]
    assert cache.tokens_found > found
    assert written == write_summaries(histories, fresh, codec)[1]


def test_the_oldest_leave_first_and_a_session_ends(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(prefix_cache, "monotonic", lambda: now[0])
    numbers = [torch.zeros(1, 2 * BLOCK_TOKENS, 4)]
    keys = {user: chain_keys("m", user, range(2 * BLOCK_TOKENS + 1)) for user in USERS}
    alone = PrefixCache(1 << 20)
    alone.keep(keys["a"], numbers, "a")
    cache = PrefixCache(2 * alone.num_bytes + 1)
    for user in USERS:
        cache.keep(keys[user], numbers, user)
    assert [len(cache.find(keys[user], 33)) for user in USERS] == [0, 2, 2]
    cache.find(keys["b"], 33)
    cache.keep(keys["a"][:1], numbers, "a")
    # Of what was used longest ago, the end goes before the beginning.
    assert [len(cache.find(keys[user], 33)) for user in USERS] == [1, 2, 1]
    now[0] = prefix_cache.MAX_IDLE_S + 1
    cache.keep(keys["c"], numbers, "c")
    assert len(cache.find(keys["b"], 33)) == 0


def test_a_prompt_larger_than_the_budget_is_not_kept():
    cache = PrefixCache(100)
    cache.keep(chain_keys("m", "u", range(40)), [torch.zeros(1, 40, 4)], "u")
    assert (len(cache), cache.num_bytes) == (0, 0)


@pytest.mark.parametrize("other", [("n", "u"), ("m", "v")])
def test_nothing_is_shared_between_models_or_users(other):
    prompt = range(2 * BLOCK_TOKENS + 1)
    keys = chain_keys("m", "u", prompt)
    assert len(keys) == 2 and not set(keys) & set(chain_keys(*other, prompt))
    assert chain_keys("m", "u", range(2 * BLOCK_TOKENS)) == keys[:1]


def test_adapters_do_not_meet_nor_does_one_that_takes_anothers_name(chain):
    kept, fresh = (
        Recommender.from_pretrained(chain.pretrain, "cpu", num_beams=20, session_cache_mb=megabytes)
        for megabytes in (8, 0)
    )
    history = next(past for past in kept.data.histories("valid") if len(past.events) > 8)
    asked = [Request(history)]
    for each in (kept, fresh):
        each.load_adapter("one", chain.sft)
    for name in (None, "one", None, "one"):
        for each in (kept, fresh):
            each.use_adapter(name)
        check_equal_scores(kept, fresh, asked)
    # Neither do they where requests ask for them one after the other.
    for name in (None, "one", None, "one"):
        check_equal_scores(kept, fresh, [replace(asked[0], model=ModelSettings(name))])
        for each in (kept, fresh):
            each.use_adapter(None)
    for each in (kept, fresh):
        each.use_adapter("one")
    names = [kept._engine.weights]
    for each in (kept, fresh):
        each.use_adapter(None)
        each.drop_adapter("one")
        each.load_adapter("one", chain.sft)
        each.use_adapter("one")
    assert kept._engine.weights not in names
    moved = kept.with_catalogue(kept.data)
    kept.use_adapter(None)
    assert moved.adapter is None


def check_equal_scores(kept, fresh, asked):
    mine, theirs = kept.rank_many(asked, 5)[0], fresh.rank_many(asked, 5)[0]
    assert [item.item_id for item in mine] == [item.item_id for item in theirs]
    np.testing.assert_allclose(
        [item.score for item in mine], [item.score for item in theirs], atol=1e-4
    )


def test_an_engine_keeps_nothing_unless_told_to(shop_run):
    assert TorchEngine(load_run(shop_run)).prefix_cache is None
