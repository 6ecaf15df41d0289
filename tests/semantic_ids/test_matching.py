"""Matches of a wish, against the formula of BM25 written out item by item."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.schema import Event, History, Item
from genrec.semantic_ids import matching
from genrec.semantic_ids.matching import (
    LENGTH_SHARE,
    SATURATION,
    Matcher,
    count_review_words,
    item_words,
)

ITEMS = [
    Item("tea", "Green Tea", "Leafy", ("Kitchen", "Tea"), "A warm drink for winter"),
    Item("pot", "Tea Pot", "Leafy", ("Kitchen", "Pots")),
    Item("hat", "Wool Hat", None, ("Clothing",), "warm warm warm"),
    Item("bare"),
    Item("茶", "緑茶", None, (), "日本の茶 🍵"),
]
WORDS = "green tea pot wool hat warm winter kitchen leafy 茶 pots clothing nothing".split()


def bm25(items: list[Item], wish: str, said: dict[str, int] | None = None) -> np.ndarray:
    """The formula, item by item and word by word."""
    texts = [Counter(item_words(item)) for item in items]
    mean = sum(text.total() for text in texts) / len(texts)
    scores = np.zeros(len(items))
    for word in set(matching.words(wish)):
        having = max(sum(word in text for text in texts), (said or {}).get(word, 0))
        idf = math.log(1 + (len(items) - having + 0.5) / (having + 0.5))
        for row, text in enumerate(texts):
            length = 1 - LENGTH_SHARE + LENGTH_SHARE * text.total() / mean
            times = text[word]
            scores[row] += idf * times * (SATURATION + 1) / (times + SATURATION * length)
    return scores


def dense(matches, count) -> np.ndarray:
    scores = np.zeros(count)
    scores[matches.rows] = matches.scores
    return scores


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join))
def test_the_score_is_that_of_the_formula(wish):
    found = Matcher(ITEMS).matches(wish)
    assert dense(found, len(ITEMS)) == pytest.approx(bm25(ITEMS, wish), abs=1e-5)
    assert (found.scores > 0).all() and (np.diff(found.rows) > 0).all()


def test_a_word_of_many_items_reviews_says_little():
    reviews = {"tea": "a warm gift", "pot": "a gift", "hat": "warm gift, a warm gift", "bare": None}
    events = [Event("u", item, n, review=text) for n, (item, text) in enumerate(reviews.items())]
    said = count_review_words([History("u", tuple(events))])
    assert said == {"a": 3, "gift": 3, "warm": 2}
    found = dense(Matcher(ITEMS, {**said, "wool": 4}).matches("warm wool"), len(ITEMS))
    assert found == pytest.approx(bm25(ITEMS, "warm wool", {**said, "wool": 4}), abs=1e-5)
    assert found[2] < dense(Matcher(ITEMS).matches("warm wool"), len(ITEMS))[2]


def test_more_reviewed_items_than_there_are_now_are_no_matter():
    found = Matcher(ITEMS, {"tea": 1000}).matches("tea")
    assert len(found.rows) == 2 and (found.scores > 0).all()


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=200))
def test_any_text_is_a_wish(wish):
    found = Matcher(ITEMS).matches(wish)
    assert len(found.rows) == len(found.scores) and np.isfinite(found.scores).all()


def test_words_count_once_and_only_the_first_ones():
    matcher = Matcher(ITEMS)
    assert matcher.matches("tea tea TEA!").scores.tolist() == matcher.matches("tea").scores.tolist()
    assert not len(matcher.matches("blah " + " ".join(map(str, range(100))) + " tea").rows)
    assert not len(matcher.matches("x" * 100_000).rows)


def test_only_the_best_matches_are_kept(monkeypatch):
    monkeypatch.setattr(matching, "MAX_MATCHES", 1)
    assert Matcher(ITEMS).matches("warm").rows.tolist() == [2]


@settings(deadline=None, max_examples=40)
@given(st.permutations(range(len(ITEMS))), st.integers(0, len(ITEMS)))
def test_items_that_come_change_and_go_match_as_if_they_had_been_there(order, count):
    matcher = Matcher(ITEMS)
    kept = [ITEMS[place] for place in order[:count]]
    changed = [Item(ITEMS[place].item_id, "Wool tea") for place in order[count : count + 1]]
    items = [*kept, Item("new", "Warm green pot"), *changed]
    moved = matcher.covering(items)
    for wish in ("warm tea", "wool", "pot leafy 茶"):
        # Frequencies stay those of the first catalogue: an equal text has an equal score there.
        whole = dense(moved.matches(wish), len(items))
        before = dense(matcher.matches(wish), len(ITEMS))
        assert whole[: len(kept)] == pytest.approx(before[list(order[:count])])
    assert "new" in [items[row].item_id for row in moved.matches("green").rows]
    assert dense(matcher.matches("warm"), len(ITEMS))[2] > 0


def test_an_empty_catalogue_matches_nothing():
    assert not len(Matcher([]).matches("tea").rows)
    assert not len(Matcher([Item("bare")]).matches("tea").rows)
