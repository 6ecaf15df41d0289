"""Explanations: on scorers whose truth is known, then on a run against scores asked apart."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.engines.base import ItemQuery
from genrec.errors import DataError
from genrec.graph.user_item_path import user_item_path
from genrec.interests.explain.deletion import MAX_EVIDENCE, MIN_EFFECT, Attribution, explain_items
from genrec.interests.explain.explanation_text import MAX_TITLE_CHARS, Named, write_sentence
from genrec.interests.explain.wish_words import WishEffect, WordEffect
from genrec.recommender import Recommender
from genrec.schema import Event, History, Item, Request
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.sid_text import sid_text
from genrec.stream.windows import View

CODES = {"a": (0, 0, 0), "b": (0, 1, 0), "c": (0, 1, 1), "d": (1, 0, 0), "e": (2, 0, 0)}
NAMES = {(0,): "tea", (0, 1): "tea · green", (1,): "running"}
TABLE = SemanticIdTable(
    list(CODES), np.array(list(CODES.values())), 3, np.zeros((3, 3, 1), np.float32), NAMES
)
EFFECTS = st.lists(st.floats(-2, 2), max_size=8)


def history(items, event_type="purchase"):
    return History("u", tuple(Event("u", item, 10 * n, event_type) for n, item in enumerate(items)))


def ask(items, score, item_id="c", start=0, worded=0, **fields):
    """Explain an item to a history, with a scorer of our own."""
    attribution = Attribution(
        Request(history(items), **fields), item_id, View(start, worded or start)
    )
    return explain_items([attribution], score, TABLE, str.upper)[0]


def additive(effects):
    """Every event adds its own nats: effects by its timestamp."""

    def score(requests, item_ids, views):
        return [
            -9
            + sum(effects[event.timestamp // 10] for event in request.history.events[view.start :])
            for request, view in zip(requests, views, strict=True)
        ]

    return score


@settings(deadline=None)
@given(EFFECTS)
def test_independent_effects_are_found_and_leave_no_residual(effects):
    found = ask("d" * len(effects), additive(effects))
    assert [effect.nats for effect in found.effects] == pytest.approx(effects)
    assert found.whole == pytest.approx(sum(effects)) == pytest.approx(found.parts)
    assert found.residual == pytest.approx(0, abs=1e-9)
    # More events are named only where they add enough, by themselves or together.
    ranked = sorted(effects, reverse=True)
    number, is_close = 0, False
    for count in range(1, min(MAX_EVIDENCE, len(effects)) + 1):
        added = sum(ranked[number:count])
        is_close |= abs(added - MIN_EFFECT) < 1e-9
        number = count if added >= MIN_EFFECT else number
    if not is_close:
        assert [effect.nats for effect in found.evidence] == pytest.approx(ranked[:number])
        assert found.joint == pytest.approx(sum(ranked[:number]))
        assert bool(found.evidence) == ("because you bought" in found.sentence)


def test_two_events_that_say_the_same_are_both_named():
    """Either suffices, so that neither costs anything alone."""

    def score(requests, item_ids, views):
        said = [{event.timestamp for event in one.history.events} & {10, 40} for one in requests]
        return [-1.0 if one else -4.0 for one in said]

    found = ask("dddddd", score)
    assert sorted(effect.place for effect in found.evidence) == [1, 4]
    assert found.joint == pytest.approx(3)
    assert found.parts == 0 and found.residual == pytest.approx(3)
    assert found.sentence.startswith("Mostly because you bought D")


def test_only_the_events_differ_between_questions():
    """Moment, kind of act, filters and the first event read are those of the whole history."""
    asked = []

    def score(requests, item_ids, views):
        asked.extend(zip(requests, views, strict=True))
        return [0.0] * len(requests)

    ask("abdc", score, start=2, worded=3, exclude=frozenset("e"))
    assert len(asked) == 4
    for request, (start, worded) in asked:
        # The words of the third event's item are not read, those of the fourth's are.
        assert [event.timestamp for event in request.history.events[worded:]] in ([], [30])
        assert 30 not in [event.timestamp for event in request.history.events[start:worded]]
        assert (request.at, request.event_type, request.filter_seen) == (30, "purchase", False)
        # The item was met already: it is explained as one that may come again.
        assert request.exclude == {"e", "a", "b", "d"}
        read = [event.timestamp for event in request.history.events[start:]]
        assert set(read) <= {20, 30}
        before = [event.timestamp for event in request.history.events[:start]]
        assert before == ([10] if read else [])
    ask("ab", score, at=77, event_type="view", filter_seen=False)
    assert {(one.at, one.event_type, one.exclude) for one, _ in asked[-3:]} == {
        (77, "view", frozenset())
    }


def test_the_interest_is_that_of_the_evidence():
    found = ask("dbea", additive([0.0, 2.0, 0.0, 1.0]))
    assert (found.interest, found.prefix) == ("tea · green", (0, 1))
    assert found.sentence == "Mostly because you bought B and A (B: interest tea · green)."
    assert ask("db", additive([0.0, 1.0])).sentence.endswith("bought B (interest: tea · green).")
    # The evidence is of no interest of the item's, another event is.
    found = ask("da", additive([1.0, 0.0]))
    assert found.interest == "tea" and found.sentence == "Mostly because you bought D."


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ([], "There is no history: it is what the model expects of anybody."),
        ([-1.0, 0.0], "Nothing in the history raised it: the model expects it of anybody as much"),
    ],
)
def test_where_no_event_raised_it_that_is_said(effects, words):
    found = ask("d" * len(effects), additive(effects))
    assert found.evidence == () and found.joint == 0
    assert found.sentence.startswith(words)


def test_what_no_three_events_explain_is_said_to_follow_from_the_whole():
    def score(requests, item_ids, views):
        return [0.0 if request.history.events else -3.0 for request in requests]

    found = ask("d" * 6, score)
    assert found.sentence == "No single event raised it; it follows from the history as a whole."
    assert found.residual == pytest.approx(3)


def test_the_sentence_says_no_more_than_was_measured():
    views = [Named("view", "X", False), Named(None, "Y", False), Named("purchase", "Z", False)]
    assert write_sentence(views, None, 1.0, 3.0, 9) == (
        "Partly because you viewed X, chose Y and bought Z."
    )
    # Against the rest of the history: what was named is no more than a part of the story.
    assert write_sentence(views[:1], None, 1.0, -2.0, 9).startswith("Partly")
    long = "word " * 40
    cut = write_sentence([Named("view", long, True)], "tea", 1.0, 1.0, 9)
    assert len(cut) < MAX_TITLE_CHARS + 60 and "…" in cut


def test_an_item_that_the_filters_forbid_is_refused():
    with pytest.raises(DataError, match="forbid item 'c'"):
        ask("ab", lambda requests, *_: [-math.inf] * len(requests))


# A trained run


@pytest.fixture(scope="module")
def recommender(chain):
    return Recommender.from_pretrained(chain.sft, "cpu", num_beams=300)


@pytest.fixture(scope="module")
def histories(recommender):
    return [one for one in recommender.data.histories("test") if len(one.events) >= 6][:6]


def test_the_score_explained_is_the_score_recommended(recommender, histories):
    for past in histories:
        for item in recommender.recommend(past.user_id, k=3):
            found = recommender.explain(item.item_id, past.user_id)
            assert found.score == pytest.approx(item.score, abs=1e-4)
            assert found.title == item.title
            assert len(found.effects) + found.num_unread == len(past.events)
            json.dumps(found.to_json())


def test_effects_are_differences_of_scores_asked_apart(recommender, histories):
    """The oracle renders each shortened history itself and searches the whole catalogue."""
    encoder, table = recommender._run.encoder, recommender.table
    for whole in histories[:3]:
        # A review too long for its event would be cut in tokens, which text cannot tell.
        brief = tuple(replace(event, title=None, review=None) for event in whole.events)
        past = replace(whole, events=brief)
        item_id = recommender.recommend(events=brief, k=1)[0].item_id
        found = recommender.explain(item_id, events=brief)
        rows = [table.index_of(event.item_id) for event in past.events]
        last = past.events[-1]
        texts = []
        worded = past.events[encoder.views([past])[0].worded :]
        kept = list(past.events[found.num_unread :])
        for left_out in [None, *range(len(kept))]:
            events = [event for n, event in enumerate(kept) if n != left_out]
            before = past.events[found.num_unread - 1].timestamp if found.num_unread else None
            text = encoder.renderer.header()
            for event in events:
                bare = encoder.renderer.event(event, before)
                before = event.timestamp
                # A long title is cut, as tests/stream/test_encode.py checks.
                words = encoder.tokenizer.decode(encoder._words(event.item_id))
                assert words.startswith(f' "{recommender.item(event.item_id).title[:20]}')
                sid = sid_text(table.codes_of(event.item_id))
                text += bare.replace(sid, sid + words * (event in worded), 1)
            known = History("u", (*past.events[: found.num_unread], *events))
            asked = Request(known, last.timestamp, last.event_type)
            text += encoder.renderer.ask_item(asked)
            texts.append(text)
        queries = [ItemQuery(prompt, rows) for prompt in encoder.tokenize(texts)]
        scores = [
            dict(zip(one.rows.tolist(), one.scores.tolist(), strict=True))[table.index_of(item_id)]
            for one in recommender._engine.items(queries, len(table))
        ]
        expected = [scores[0] - score for score in scores[1:]]
        assert [one.nats for one in found.effects] == pytest.approx(expected, abs=2e-4)
        empty = recommender.explain(item_id, events=[], exclude=[], at=last.timestamp)
        assert empty.effects == () and empty.whole == 0


def test_words_of_a_wish_are_differences_of_scores_asked_apart(recommender, histories):
    def score(wish):
        return recommender.score_many([replace(asked, query=wish)], ["P001"])[0]

    asked = Attribution(Request(histories[0]), "P001", View()).request
    wanted = replace(Request(histories[0]), query="a tea kettle tea")
    found = recommender.explain_many([(wanted, "P001")])[0]
    whole = score("a tea kettle tea")
    left = {"a": "tea kettle tea", "tea": "a kettle", "kettle": "a tea tea"}
    assert found.score == pytest.approx(whole, abs=1e-4)
    assert found.wish.nats == pytest.approx(whole - score(None), abs=2e-4)
    assert {effect.word: effect.nats for effect in found.wish.words} == {
        word: pytest.approx(whole - score(rest), abs=2e-4) for word, rest in left.items()
    }
    assert recommender.explain("P001", histories[0].user_id).wish is None


@pytest.mark.parametrize(
    ("effects", "words"),
    [
        ({"warm": 0.4, "hat": 1.2}, "Of the wish, “hat” and “warm” speak for it."),
        ({"warm": 0.01, "hat": 1.2}, "Of the wish, “hat” speaks for it."),
        ({"warm": 0.01, "hat": 0.01}, "The wish as a whole speaks for it."),
        ({"warm": -0.4, "hat": -0.9}, "The wish does not speak for it."),
    ],
)
def test_the_sentence_names_the_words_that_speak_for_it(effects, words):
    named = tuple(WordEffect(word, nats) for word, nats in effects.items())
    whole = 0.5 if max(effects.values()) > 0 else -1.0
    assert WishEffect(whole, named).sentence(MIN_EFFECT) == words


def test_a_batch_explains_as_each_alone(recommender, histories):
    questions = [(Request(past), "P001") for past in histories]
    together = recommender.explain_many(questions)
    for question, found in zip(questions, together, strict=True):
        alone = recommender.explain_many([question])[0]
        assert alone.score == pytest.approx(found.score, abs=1e-4)
        assert [one.nats for one in alone.effects] == pytest.approx(
            [one.nats for one in found.effects], abs=2e-4
        )


def test_odd_histories_have_defined_answers(recommender):
    one = [Event("n", "P001", 50)]
    found = recommender.explain("P002", events=one)
    assert found.whole == found.parts and found.residual == 0
    same = [Event("n", f"P00{n}", 50, "view") for n in range(1, 7)]
    found = recommender.explain("P009", events=same)
    assert len(found.effects) == 6 and math.isfinite(found.residual)
    found = recommender.explain("P001", events=same)
    assert math.isfinite(found.score)
    with pytest.raises(DataError, match="not in the table"):
        recommender.explain("nothing", events=one)
    with pytest.raises(DataError, match="forbid"):
        recommender.explain("P002", events=one, exclude=["P002"])


def test_an_item_nobody_has_met_can_be_explained(chain, histories):
    recommender = Recommender.from_pretrained(chain.sft, "cpu")
    recommender.add_items([Item("new", title="Kettle & Crane Tea Kettle of Glass")])
    found = recommender.explain("new", events=histories[0].events)
    assert math.isfinite(found.score) and found.title.endswith("of Glass")


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 5), st.integers(0, 30))
def test_a_prompt_read_from_an_event_on_is_the_prompts_end(recommender, histories, number, start):
    """The encoder's forced start: the rule's own start gives the ordinary prompt."""
    encoder, past = recommender._run.encoder, histories[number]
    request = Request(past)
    ordinary = encoder.views([past])
    assert encoder.prompts([request], ordinary) == encoder.prompts([request])
    start = max(min(start, len(past.events)), ordinary[0].start)
    cut = encoder.prompts([request], [View(start, max(start, ordinary[0].worded))])[0]
    whole = encoder.prompts([request])[0]
    header = len(encoder.header)
    assert cut[header:] == whole[len(whole) - len(cut) + header :]


def test_without_and_before_keep_the_order(histories):
    past = histories[0]
    assert past.without([]) == past == past.without([99])
    assert past.without([0, 2]).events == (past.events[1], *past.events[3:])
    moment = past.events[3].timestamp
    assert all(event.timestamp < moment for event in past.before(moment).events)
    assert past.before(moment).events == past.events[: len(past.before(moment).events)]
    assert past.before(0).events == () == replace(past, events=()).before(10).events


@pytest.mark.parametrize(
    ("items", "item_id", "path"),
    [
        ("bd", "c", ("u", "B", "tea · green", "C")),
        ("ad", "c", ("u", "A", "tea", "C")),
        ("cb", "c", ("u", "B", "tea · green", "C")),  # the item itself is no reason
        ("xd", "c", ()),
        ("", "c", ()),
    ],
)
def test_the_path_goes_over_an_event_of_the_users_own(items, item_id, path):
    assert user_item_path(history(items), item_id, TABLE, str.upper) == path


def test_a_run_names_the_path(chain):
    recommender = Recommender.from_pretrained(chain.sft, "cpu")
    user = next(recommender.data.histories("test")).user_id
    paths = [
        (item, recommender.explain(item.item_id, user).path)
        for item in recommender.recommend(user, k=5)
    ]
    assert any(path for _, path in paths)
    for item, path in paths:
        if path:
            assert path[0] == user and path[-1] == item.title and len(path) == 4
