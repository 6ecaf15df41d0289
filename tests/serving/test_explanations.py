"""Explanations let others pass."""

import asyncio
from collections import Counter

import pytest

from genrec.recommender import Recommender
from genrec.schema import Item, Request
from genrec.serving import explanations
from genrec.serving.batching import Batcher, Kind, Limits
from genrec.serving.errors import Overloaded
from genrec.serving.explanations import Explanations
from genrec.serving.monitoring import Metrics


@pytest.fixture
def recommender(shop_run):
    return Recommender.from_pretrained(shop_run, "cpu")


@pytest.fixture
def request_(recommender):
    return Request(next(iter(recommender.data.histories("test"))))


def serve(recommender, work, **limits):
    """Run ``work(batcher, explanations)`` while an engine answers."""

    async def run():
        batcher = Batcher(Limits(8, 0.0, 1, 8, 30.0), Metrics())
        batcher.start()
        options = {"queue_size": 8, "timeout_s": 30.0} | limits
        try:
            return await work(batcher, Explanations(batcher, lambda: recommender, **options))
        finally:
            await batcher.stop()

    return asyncio.run(run())


def test_slices_explain_as_a_whole_and_others_wait_for_one_at_most(
    recommender, request_, monkeypatch
):
    monkeypatch.setattr(explanations, "SLICE", 2)
    item_id = recommender.table.item_ids[-1]
    wanted = recommender.explain_many([(request_, item_id)])[0]
    slices, waited = 0, Counter()
    score_many = recommender.score_many

    def count(*arguments):
        nonlocal slices
        slices += 1
        return score_many(*arguments)

    monkeypatch.setattr(recommender, "score_many", count)

    async def work(batcher, explain):
        explaining = asyncio.create_task(explain.explain(request_, item_id))
        while not explaining.done():
            before = slices

            def rank(requests, before=before):
                waited[slices - before] += 1
                return recommender.rank_many(requests, 1)

            await batcher.ask(Kind("items"), request_, rank)
        return await explaining

    found = serve(recommender, work)
    assert found.score == pytest.approx(wanted.score, abs=1e-4)
    assert [one.place for one in found.evidence] == [one.place for one in wanted.evidence]
    assert [one.nats for one in found.effects] == pytest.approx(
        [one.nats for one in wanted.effects], abs=1e-4
    )
    assert slices > 2 and sum(waited.values()) > 2
    assert max(waited) <= 2, "the slice at the engine, and the one before in the queue"


def test_what_changes_in_the_middle_begins_again(recommender, request_, monkeypatch):
    monkeypatch.setattr(explanations, "SLICE", 2)
    item_id = recommender.table.item_ids[0]

    async def work(batcher, explain):
        explaining = asyncio.create_task(explain.explain(request_, item_id))
        await batcher.ask(Kind("items"), request_, lambda some: recommender.rank_many(some, 1))
        await batcher.exclusive(lambda: recommender.add_items([Item("new", "Thing")]))
        return await explaining

    found = serve(recommender, work)
    wanted = recommender.explain_many([(request_, item_id)])[0]
    assert found.score == pytest.approx(wanted.score, abs=1e-4)
    assert found.empty_score == pytest.approx(wanted.empty_score, abs=1e-4)


def test_who_would_wait_too_long_is_told(recommender, request_):
    item_id = recommender.table.item_ids[0]

    async def work(_, explain):
        asked = [explain.explain(request_, item_id) for _ in range(4)]
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = serve(recommender, work, queue_size=1)
    refused = [answer for answer in answers if isinstance(answer, Overloaded)]
    assert 0 < len(refused) < 4 and "ask again" in str(refused[0])
    answers = serve(recommender, work, timeout_s=0.0)
    assert any(isinstance(answer, Overloaded) for answer in answers)
