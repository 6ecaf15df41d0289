"""Histories cut to the model's length, examples that know no future, names that differ."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import PromptError
from genrec.schema import Event, History, Item, Request
from genrec.zero_shot.few_shot import SHOWN_EVENTS, ExamplePool
from genrec.zero_shot.prompts import PromptWriter, fit

WRITER = PromptWriter(lambda item_id: Item(item_id, title=f"Title {item_id}"))


class WordCounter:
    """A model that counts words; half of its context is kept for the answer."""

    def __init__(self, max_words):
        self.max_words = max_words

    async def context_tokens(self):
        return 2 * self.max_words

    async def count_tokens(self, chat):
        return sum(len(message["content"].split()) for message in chat)


def count_words(chat):
    return asyncio.run(WordCounter(0).count_tokens(chat))


@given(st.integers(0, 30), st.integers(0, 400), st.randoms())
def test_whole_events_newest_kept_as_many_as_fit(count, room, random):
    events = tuple(
        Event("u", f"i{n}", n, "view", None, None, "word " * random.randint(1, 20))
        for n in range(count)
    )
    build = WRITER.choose(Request(History("u", events)), ["A", "B"])
    least = count_words(build(()))
    if room < least:
        with pytest.raises(PromptError, match="num_candidates"):
            asyncio.run(fit(build, History("u", events), WordCounter(room), 10**9))
        return
    text = asyncio.run(fit(build, History("u", events), WordCounter(room), 10**9))[1]["content"]
    shown = [n for n in range(count) if f'"Title i{n}"' in text]
    assert shown == list(range(count - len(shown), count))
    kept = count_words(build(events[count - len(shown) :]))
    assert kept <= room
    if len(shown) < count:
        more = build(events[count - len(shown) - 1 :])
        assert count_words(more) > room
        assert f"({count - len(shown)} earlier events left out)" in text or not shown


def test_names_of_equal_titles_differ():
    items = [Item("a", title="Tea"), Item("b", title="Tea"), Item("c"), Item("d", title="Tea (2)")]
    names = WRITER.titles(items)
    assert names[0] == "Tea" and len(set(names)) == 4


def test_examples_are_of_others_and_over_before_the_question(data, requests):
    pool = ExamplePool.fit(data)
    asked = 0
    for request in requests:
        for example in pool.draw(request, 3):
            asked += 1
            assert len(example.events) == SHOWN_EVENTS
            user = example.events[0].user_id
            assert user != request.history.user_id
            train = list(_train_of(data, user))
            place = train.index(example.events[-1])
            taken = train[place + 1]
            assert taken.item_id == example.answer and taken.timestamp < request.at
    assert asked > len(requests)
    assert pool.draw(requests[5], 3) == pool.draw(requests[5], 3)


def _train_of(data, user, known={}):  # noqa: B006  (a cache)
    if not known:
        known.update({one.user_id: one.events for one in data.histories("train")})
    return known[user]


def test_nobody_knows_what_came_before_a_question_without_a_moment(data):
    assert ExamplePool.fit(data).draw(Request(History("new", ())), 3) == []
    first = min(event.timestamp for one in data.histories("train") for event in one.events)
    assert ExamplePool.fit(data).draw(Request(History("new", ()), at=first), 3) == []
