"""Wishes that are drawn for items, and the factor that is chosen by them."""

import random

import numpy as np
import pytest

from genrec.data import Dataset
from genrec.model.sasrec_head import Terms
from genrec.schema import Event, History
from genrec.training.fusion import Found
from genrec.training.validation import list_questions
from genrec.training.wish_factor import as_newcomer, ask_with_wishes, opinions
from genrec.training.wishes import WishSampler, wished


@pytest.fixture(scope="module")
def data(toy_data) -> Dataset:
    return toy_data


def test_a_wish_never_has_words_that_only_the_title_has(data):
    sampler, rng = WishSampler(data, to_measure=True), random.Random(0)
    reviews = {
        item_id: " ".join(event.opinion or "" for event in events)
        for item_id, events in _events_by_item(data).items()
    }
    for item in data.items[:60]:
        for _ in range(5):
            wish = sampler.draw(item.item_id, rng)
            text = " ".join(
                [*item.categories, item.description or "", reviews.get(item.item_id, "")]
            )
            known = "".join(char if char.isalnum() else " " for char in text.lower()).split()
            assert wish and set(wish.split()) <= set(known)


def test_a_phrase_has_the_words_that_fewest_texts_have(data):
    sampler, rng = WishSampler(data, to_measure=True), random.Random(0)
    for _ in range(20):
        assert "zymurgy" in sampler.phrase_of("Five stars. I love it, a zymurgy of its own", rng)
    assert sampler.phrase_of("it is what it was", rng) == "" == sampler.phrase_of("", rng)


def test_each_wish_is_judged_with_a_history_and_without(data):
    questions = list_questions(data)[:30]
    said = {request.history.user_id: "a zymurgy of its own" for request, _ in questions}
    sampler = WishSampler(data, to_measure=True)
    asked = ask_with_wishes(questions, sampler, said, random.Random(0))
    with_it, without = asked[::2], asked[1::2]
    assert [target for _, target in with_it] == [target for _, target in without]
    assert all(request.history.events for request, _ in with_it)
    assert not any(request.history.events for request, _ in without)
    wishes = [request.query for request, _ in with_it]
    assert wishes == [request.query for request, _ in without]
    assert any("zymurgy" in wish for wish in wishes)
    assert opinions(data).keys() >= said.keys()


def _events_by_item(data):
    found = {}
    for history in data.histories("train"):
        for event in history.events:
            found.setdefault(event.item_id, []).append(event)
    return found


def test_wishes_stand_before_their_events_and_never_between_events_of_a_second(data):
    items = [item.item_id for item in data.items[:6]]
    times = [100, 100, 200, 200, 300, 400]
    history = History("u", tuple(Event("u", i, t) for i, t in zip(items, times, strict=True)))
    sampler, rng = WishSampler(data, to_measure=False), random.Random(1)
    for seen in wished([history] * 20, sampler, rng):
        assert seen.events == history.events
        before = seen.searches_before()
        assert not before[1] and not before[3] and all(len(each) <= 1 for each in before)
        assert sum(map(len, before)) == len(seen.searches) > 0


def test_nothing_is_wished_for_an_item_of_which_nothing_is_known(data):
    sampler = WishSampler(data, to_measure=False)
    assert sampler.draw("no such item", random.Random(0)) is None
    assert not list(wished([History("u", (Event("u", "none", 1),))], sampler, random.Random(0)))


def test_a_newcomer_is_asked_for_what_the_user_took_first(data):
    for question in list_questions(data)[:20]:
        known, first = question[0].history, question[0].history.events[0]
        request, target = as_newcomer(question)
        assert target == first.item_id
        assert (request.at, request.event_type) == (first.timestamp, first.event_type)
        assert not request.history.events and not request.searches
        assert request.history.about == known.about


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_matches_count_by_their_factor(weight):
    zeros = np.zeros((1, 2))
    rows = np.array([[0, 1]])
    found = Found(
        *(rows, zeros, zeros, zeros, zeros, np.array([[0.0, 1.0]]), zeros),
        is_target=np.array([[False, True]]),
    )
    assert found.ndcg(weight, Terms(wish=1.0)) == 1.0
