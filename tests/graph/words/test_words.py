"""Words of any script, keywords of planted interests, themes, and sentiment that is not made up."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.graph.words import (
    Sentiment,
    find_keywords,
    find_themes,
    follow_moods,
    tokenize,
)
from genrec.schema import Event, History, Item
from tests.graph.conftest import ITEMS, TABLE, some_histories

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


def test_planted_themes_are_found_with_their_shares():
    gift, skin = "birthday gift wrapped present", "sensitive rash itching dermatologist"
    other = "towel cotton fluffy bathroom"
    histories = [
        History(f"u{n}", (Event(f"u{n}", "b", 0, review=gift), Event(f"u{n}", "d", 1, review=skin)))
        for n in range(10)
    ]
    histories.append(History("one", (Event("one", "d", 0, review=skin),)))
    histories += reviews(*[("f", other)] * 5)
    found = find_themes([], histories, num_themes=3)
    assert set(map(frozenset, found.words)) == {frozenset(t.split()) for t in (gift, skin, other)}
    themed = {frozenset(words): n for n, words in enumerate(found.words)}
    skin_theme = themed[frozenset(skin.split())]
    assert found.of_interests(TABLE)[(1,)][skin_theme] == pytest.approx(1, abs=1e-3)
    assert found.of_users()["one"][skin_theme] == pytest.approx(1, abs=1e-3)
    shares = found.of_users()["u0"]
    assert sorted(shares) == pytest.approx([0, 0.5, 0.5], abs=0.05)


@settings(max_examples=25, deadline=None)
@given(some_histories(), st.lists(st.text(max_size=20), max_size=5))
def test_shares_of_themes_sum_to_one_or_nothing(histories, texts):
    own = reviews(*(("a", text) for text in texts))
    found = find_themes(ITEMS, [*histories, *own], num_themes=3)
    sums = found.shares.sum(axis=1)
    assert len(found.words) == found.shares.shape[1]
    assert np.all((np.abs(sums - 1) < 1e-9) | (sums == 0))
    for shares in [*found.of_users().values(), *found.of_interests(TABLE).values()]:
        assert shares.sum() == pytest.approx(1)


def test_without_text_there_are_no_themes():
    found = find_themes([], [History("u", (Event("u", "a", 0, rating=5),))])
    assert (len(found), found.of_users(), found.of_interests(TABLE)) == (0, {}, {})


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


def test_moods_follow_an_interest_over_time():
    praise, blame = "I love it, wonderful!", "Terrible, I hate it."
    events = [
        Event("u", "a", 0, review=praise), Event("u", "b", 1, review=blame),
        Event("u", "c", 2, review="很好"), Event("u", "c", 3, rating=1, review="很差"),
        Event("u", "d", 4), Event("u", "x", 5, review=praise),
    ]  # fmt: skip
    tea, running = follow_moods(History("u", tuple(events)), TABLE)
    assert (tea.name, tea.timestamps, tea.silent) == ("tea", (0, 1, 3), 1)
    assert tea.scores[0] > 0 > tea.scores[1] > tea.scores[2] == -1
    assert tea.course[0] > tea.course[1] > tea.course[2] == tea.now
    assert (running.name, running.now, running.silent) == ("running", None, 1)


def test_no_events_have_no_moods():
    assert follow_moods(History("u", ()), TABLE) == []


@given(st.lists(st.integers(1, 5), min_size=1, max_size=30))
def test_the_course_lies_between_the_scores_and_weighs_the_newest_most(ratings):
    events = tuple(Event("u", "a", n, rating=rating) for n, rating in enumerate(ratings))
    (mood,) = follow_moods(History("u", events), TABLE)
    for place, value in enumerate(mood.course):
        seen = mood.scores[: place + 1]
        assert min(seen) - 1e-9 <= value <= max(seen) + 1e-9
    if len(ratings) > 1:
        before, after, score = *mood.course[-2:], mood.scores[-1]
        assert abs(after - score) <= abs(before - score) + 1e-9
