"""What was tokenized of a user is kept: one who returns costs what is new, and reads the same."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.model.load import load_run
from genrec.schema import Event, History, Request, Search
from genrec.stream.sessions import Sessions
from genrec.stream.windows import Segment

DAY = 86_400


class Shop:
    """An encoder and some items, which a failing example need not print."""

    def __init__(self, chain):
        self.encoder = replace(load_run(chain.base).encoder, reads_searches=True)
        self.item_ids = [item.item_id for item in Dataset.load(chain.data).items[:5]]

    def keeping(self):
        return replace(self.encoder, sessions=Sessions())


@pytest.fixture(scope="module")
def shop(chain):
    return Shop(chain)


@pytest.fixture
def encoder(shop):
    return shop.encoder


def count_texts(monkeypatch, encoder):
    """Note the texts that an encoder tokenizes."""
    texts, tokenize = [], type(encoder).tokenize

    def noting(self, some):
        texts.extend(some)
        return tokenize(self, some)

    monkeypatch.setattr(type(encoder), "tokenize", noting)
    return texts


acts = st.lists(
    st.tuples(
        st.integers(0, 40 * DAY), st.integers(0, 4), st.sampled_from([None, "good", "<bad>"])
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=80)
@given(
    visits=st.lists(st.tuples(st.sampled_from("ab"), acts, st.booleans()), min_size=1, max_size=5)
)
def test_whatever_a_history_was_before_the_prompt_is_that_of_now(shop, visits):
    """Events come, come late, change and go; so do searches between them."""
    kept = shop.keeping()
    for user, drawn, searched in visits:
        events = tuple(
            Event(user, shop.item_ids[item], when, "view", review=review)
            for when, item, review in sorted(drawn, key=lambda act: act[:2])
        )
        searches = (Search(20 * DAY, "tea"),) if searched else ()
        request = Request(History(user, events, searches))
        assert kept.prompts([request]) == shop.encoder.prompts([request])


def test_of_one_who_returns_only_the_new_event_is_tokenized(shop, monkeypatch):
    encoder, kept = shop.encoder, shop.keeping()
    events = tuple(
        Event("u", shop.item_ids[day % 5], day * DAY, "view", review=f"review {day}")
        for day in range(30)
    )
    kept.segments([History("u", events[:29])])
    texts = count_texts(monkeypatch, encoder)
    whole = kept.segments([History("u", events)])[0]
    assert [text for text in texts if "review" in text] == [
        encoder.renderer.event(events[29], events[28].timestamp)
    ]
    assert whole == encoder.segments([History("u", events)])[0]


def test_another_renderer_or_user_finds_nothing(encoder):
    sessions = Sessions()
    steps = ("one",)
    sessions.keep("u", encoder.renderer, steps, [Segment([1], 1, 1)])
    assert sessions.find("u", encoder.renderer, steps) == [Segment([1], 1, 1)]
    assert sessions.find("v", encoder.renderer, steps) == []
    assert sessions.find("u", replace(encoder.renderer), steps) == []
    sessions.forget("u")
    sessions.forget("nobody")
    assert sessions.find("u", encoder.renderer, steps) == []


def test_users_asked_about_longest_ago_leave_first(encoder):
    sessions = Sessions(max_tokens=10)

    def keep(user, num_tokens):
        sessions.keep(user, encoder.renderer, ("one",), [Segment([0] * num_tokens, 1, 1)])

    def known():
        return [user for user in "abc" if sessions.find(user, encoder.renderer, ("one",))]

    keep("a", 5)
    keep("b", 5)
    assert known() == ["a", "b"]
    sessions.find("a", encoder.renderer, ("one",))
    keep("c", 5)
    assert known() == ["a", "c"]
    keep("a", 11)
    assert known() == ["c"]
