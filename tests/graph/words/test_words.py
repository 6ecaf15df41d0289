"""Words of any script, keywords of planted interests, and sentiment that is not made up."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.graph.words import (
    Sentiment,
    find_keywords,
    tokenize,
)
from genrec.schema import Event, History, Item
from tests.graph.conftest import ITEMS, TABLE

GREEN = "grassy umami sencha whisk"
RUNNING = "shoes marathon blister ankle"


def reviews(*pairs):
    events = (Event("u", item, n, review=text) for n, (item, text) in enumerate(pairs))
    return [History("u", tuple(events))]


@pytest.mark.parametrize(
    "text, words",
    [
        ("Отличный чай, ёлки", ["отличный", "чай", "ёлки"]),
        ("شاي أخضر رائع", ["شاي", "أخضر", "رائع"]),
        ("हिन्दी चाय", ["हिन्दी", "चाय"]),
        ("緑茶が好き", ["緑茶", "茶が", "が好", "好き"]),
        ("コーヒーメーカー", ["コーヒーメーカー"]),
        ("한국어 녹차", ["한국어", "녹차"]),
        ("Großartiger Käse, naïve café", ["großartiger", "käse", "naïve", "café"]),
        ("ชาเขียว", ["ชาเขียว"]),
        ("می‌خواهم", ["می‌خواهم"]),
        ("The 35mm lens and 12 of 500", ["35mm", "lens"]),
        ("", []),
        (None, []),
        ("!!! 😍 ...", []),
    ],
)
def test_words_of_any_script_stay_whole(text, words):
    assert tokenize(text) == words


@given(st.text())
def test_no_letter_is_folded_away(text):
    lowered = unicodedata.normalize("NFC", text).lower()
    assert all(word in lowered for word in tokenize(text))


def test_keywords_are_those_that_set_an_interest_apart():
    texts = [(item, GREEN + " good") for item in "bc"] + [
        (item, RUNNING + " good") for item in "de"
    ]
    found = find_keywords([], reviews(*texts), TABLE)
    assert {word for word, _ in found.of((0,), 4)} == set(GREEN.split())
    assert {word for word, _ in found.of((1,), 4)} == set(RUNNING.split())
    weights = [weight for _, weight in found.of((0,))]
    assert weights == sorted(weights, reverse=True)
    assert (2,) not in found.prefixes
    assert found.of((2,)) == found.of((7, 7)) == []


def test_titles_and_reviews_in_many_scripts_both_count():
    texts = [("b", "抹茶 отличный"), ("c", "抹茶 отличный"), ("d", "حذاء رائع"), ("e", "حذاء رائع")]
    found = find_keywords(ITEMS, reviews(*texts), TABLE)
    assert {"抹茶", "отличный", "leaf"} <= {word for word, _ in found.of((0,))}
    assert {"حذاء", "رائع", "shoes"} <= {word for word, _ in found.of((1,))}
    row = found.item_texts[[found.item_ids.index("c")]].toarray()[0]
    assert row[found.words.index("抹茶")] == 2


@pytest.mark.parametrize(
    "items, histories",
    [
        ([], []),
        ([Item("a"), Item("b", "  ")], reviews(("a", None), ("b", ""), ("c", "  \n"))),
        ([], reviews(("without codes", "lovely lovely tea"))),
        ([], reviews(("a", "one review only"))),
        ([], reviews(("a", "the of and 12 !!"))),
    ],
)
def test_too_little_text_gives_no_keywords(items, histories):
    found = find_keywords(items, histories, TABLE)
    assert found.words == []
    assert found.of((0,)) == []


@pytest.mark.parametrize(
    "text, sign",
    [
        ("I love it, it works great and my hair is soft.", 1),
        ("Terrible. It broke after two days and the seller was rude.", -1),
    ],
)
def test_english_reviews_are_scored(text, sign):
    assert sign * Sentiment().of_text(text) > 0.2


@pytest.mark.parametrize(
    "text",
    [
        "die Seife ist gut und riecht sehr angenehm",
        "das war ein schlechtes Produkt, leider kaputt",
        "muy malo, no funciona y llegó roto",
        "Отличный товар, очень понравился",
        "素晴らしい商品です",
        "منتج رائع جدا",
        "It arrived on the day before the one they had said.",
        "", "   ", None, "!!!",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_no_zero_but_the_rating_or_nothing(text):
    sentiment = Sentiment()
    assert sentiment.of_text(text) is None
    assert sentiment.of_event(Event("u", "a", 0, review=text)) is None
    assert sentiment.of_event(Event("u", "a", 0, rating=4, review=text)) == pytest.approx(0.5)


@given(st.floats(), st.text())
def test_scores_stay_between_minus_one_and_one(rating, text):
    for score in (Sentiment().of_rating(rating), Sentiment().of_text(text)):
        assert score is None or -1 <= score <= 1
