"""What is left of a summary is true, whatever was said: by an own count of the events."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.interests.profile.buckets import SUMMARY_LISTS, classify
from genrec.interests.profile.interests import find_interests
from genrec.interests.summary.check import check_summary
from genrec.interests.summary.schema import Claim, SummaryContent, json_schema
from genrec.interests.summary.templates import (
    NOT_ENOUGH,
    find_names,
    list_of,
    read_statement,
    split_sentences,
    write_statement,
)
from genrec.schema import Event, History
from genrec.semantic_ids.table import SemanticIdTable

NAMES = ["tea", "garden · roses", "running and trails", "cakes"]
ITEMS = [f"{letter}{number}" for letter in "abcd" for number in range(4)]
TABLE = SemanticIdTable(
    item_ids=ITEMS,
    codes=np.array([["abcd".index(item[0]), int(item[1]), 0] for item in ITEMS], dtype=np.int32),
    codebook_size=4,
    centroids=np.zeros((3, 4, 2), dtype=np.float32),
    names={(code,): name for code, name in enumerate(NAMES)},
)


def history(letters: str) -> History:
    """One event a letter, a day apart; "x" is an item that the table does not know."""
    days = enumerate(letters)
    return History("u", tuple(Event("u", f"{one}{day % 4}", day * 86_400) for day, one in days))


def form(summary: str = "", **lists: dict[str, list[int]]) -> SummaryContent:
    claims = {
        name: [Claim(interest=one, events=cited) for one, cited in lists.get(name, {}).items()]
        for name in SUMMARY_LISTS
    }
    return SummaryContent(**claims, summary=summary)


ANY_NAME = st.sampled_from([*NAMES, "no such thing"])
ANY_LIST = st.lists(
    st.builds(Claim, interest=ANY_NAME, events=st.lists(st.integers(-1, 30), max_size=4)),
    max_size=3,
)
SENTENCES = st.lists(
    st.one_of(
        st.builds(
            write_statement,
            st.sampled_from(["long_term", "recent", "emerging", "fading", "returned"]),
            st.lists(st.sampled_from(NAMES), min_size=1, max_size=2),
        ),
        st.builds("Much {}, some {}!".format, st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.just("A cheerful person."),
    ),
    max_size=4,
).map(" ".join)
FORMS = st.builds(
    SummaryContent,
    **dict.fromkeys(SUMMARY_LISTS, ANY_LIST),
    summary=SENTENCES | st.text(max_size=50),
)
CALM = settings(deadline=None)
HISTORIES = st.text("abcdx", max_size=24).map(history)


@CALM
@given(FORMS, HISTORIES, st.integers(1, 4))
def test_everything_named_has_its_evidence(said, events, least):
    summary = check_summary(said, events, TABLE, least)
    counted = Counter(event.item_id[0] for event in events.events)
    named = [claim.interest for _, claim in summary.content.claims()]
    assert sorted(named) == sorted(interest.name for interest in summary.interests)
    assert len(named) == len(set(named))
    for _, claim in summary.content.claims():
        letter = "abcd"[NAMES.index(claim.interest)]
        assert counted[letter] >= least
        cited = [events.events[number - 1].item_id[0] for number in claim.events]
        assert cited == [letter] * counted[letter]
        assert len(set(claim.events)) == len(claim.events)
    assert set(find_names(summary.words, NAMES)) <= set(named)
    assert not set(summary.unsupported) & set(named)
    assert summary.words == summary.content.summary
    assert 0 <= summary.miscited <= summary.cited
    if not any(counted[letter] >= least for letter in "abcd"):
        assert summary.words == NOT_ENOUGH and summary.interests == ()


@CALM
@given(FORMS, HISTORIES)
def test_lists_and_sentences_of_ours_follow_the_events(said, events):
    summary = check_summary(said, events, TABLE)
    of = {one.name: one for one in find_interests(events, TABLE, max_interests=9)}
    for name, claim in summary.content.claims():
        assert name == classify(of[claim.interest], events, TABLE)[0]
    told: list[str] = []
    for sentence in split_sentences(summary.words, NAMES):
        statement = read_statement(sentence, NAMES)
        if statement:
            assert all(name in summary.names(list_of(statement[0])) for name in statement[2])
            told += statement[2]
    assert len(told) == len(set(told))


@CALM
@given(FORMS, HISTORIES)
def test_what_was_checked_passes_again_as_it_is(said, events):
    once = check_summary(said, events, TABLE)
    again = check_summary(once.content, events, TABLE)
    assert again.content == once.content and again.by_model
    assert not again.unsupported and not again.moved and not again.removed and not again.miscited


@CALM
@given(HISTORIES)
def test_an_interest_is_true_in_its_own_list_first(events):
    for interest in find_interests(events, TABLE, 1, 9):
        own, *others = classify(interest, events, TABLE)
        assert own not in others and len({own, *others}) == 1 + len(others)
        assert (own == "emerging") == (interest.trend == "emerging")
        assert (own == "fading") == (interest.trend == "fading")
        assert "recent" not in others or interest.trend != "fading"


GROWING = history("aaaaaabbb")


def test_evidence_is_all_events_those_cited_first():
    summary = check_summary(form(emerging={"garden · roses": [9]}), GROWING, TABLE)
    assert summary.content.emerging == [Claim(interest="garden · roses", events=[9, 8, 7])]
    assert (summary.cited, summary.miscited) == (1, 0)
    roses = summary.interests[0]
    assert roses.evidence == GROWING.events[6:]


def test_an_event_may_be_cited_rightly_for_an_interest_with_too_few():
    events = history("aaaaaabbbd")
    summary = check_summary(form(recent={"cakes": [10, 9]}), events, TABLE)
    assert summary.unsupported == ("cakes",)
    assert (summary.cited, summary.miscited) == (2, 1)


def test_citations_of_other_events_are_dropped_and_counted():
    said = form(emerging={"garden · roses": [1, 8, 8, 0, 99]}, fading={"cakes": [3]})
    summary = check_summary(said, GROWING, TABLE)
    assert summary.content.emerging[0].events == [8, 9, 7]
    assert (summary.cited, summary.miscited) == (6, 5)
    assert summary.unsupported == ("cakes",)


def test_the_wrong_list_is_put_right_and_counted():
    summary = check_summary(form(emerging={"tea": [1]}), GROWING, TABLE)
    assert summary.names("fading") == ["tea"] and summary.names("emerging") == []
    assert summary.moved == ("tea",) and summary.by_model


def test_a_list_that_is_true_gives_way_to_a_more_telling_one():
    for said in (
        form(long_term={"tea": [1, 2]}, fading={"tea": [3]}),
        form(long_term={"tea": [1, 2, 3]}),
    ):
        summary = check_summary(said, GROWING, TABLE)
        assert summary.names("fading") == ["tea"] and not summary.names("long_term")
        assert summary.content.fading[0].events[:3] == [1, 2, 3] and not summary.moved


def test_what_no_sentence_says_is_said_in_our_wordings():
    lists = {"emerging": {"garden · roses": [9]}, "fading": {"tea": [1]}}
    summary = check_summary(form("A lover of tea.", **lists), GROWING, TABLE)
    assert summary.words == f"A lover of tea. {write_statement('emerging', ['garden · roses'])}"
    full = "A lover of tea. A cheerful person. Buys much."
    assert check_summary(form(full, **lists), GROWING, TABLE).words == full
    assert "tea" in check_summary(form("Buys much.", **lists), GROWING, TABLE).words


def test_a_sentence_about_what_does_not_hold_goes():
    said = form(
        "Adores cakes and tea. A lover of tea. Turning to cakes and garden · roses. "
        "Moving away from garden · roses.",
        fading={"tea": [1, 2]},
    )
    summary = check_summary(said, GROWING, TABLE)
    assert summary.words == "A lover of tea. Turning to garden · roses."
    assert summary.removed == ("Adores cakes and tea.", "Moving away from garden · roses.")
    assert summary.unsupported == ("cakes",) and summary.moved == ("garden · roses",)
    assert summary.names("emerging") == ["garden · roses"]


def test_a_sentence_says_an_interest_once_and_of_its_own_list():
    said = form(
        "Keeps to tea. Moving away from tea. Less and less tea. Buys much. Buys much. "
        "Turning to garden · roses. A lover of roses",
        long_term={"tea": [1]},
        emerging={"garden · roses": [9]},
    )
    summary = check_summary(said, GROWING, TABLE)
    assert summary.words == (
        "Moving away from tea. Buys much. Turning to garden · roses. A lover of roses."
    )
    assert not summary.moved and not summary.removed


def test_nothing_true_is_counted_from_the_events_instead():
    summary = check_summary(form("Turning to cakes.", emerging={"cakes": [1, 2]}), GROWING, TABLE)
    assert not summary.by_model and summary.unsupported == ("cakes",)
    assert summary.words == "Turning to garden · roses. Moving away from tea."
    assert summary.content.emerging[0].events == [9, 8, 7]


def test_more_evidence_can_be_asked_for():
    said = form(emerging={"garden · roses": [9, 8]})
    assert check_summary(said, GROWING, TABLE, 3).names("emerging") == ["garden · roses"]
    strict = check_summary(said, GROWING, TABLE, 4)
    assert strict.unsupported == ("garden · roses",) and strict.names("emerging") == []


@pytest.mark.parametrize("letters", ["", "a", "abcd", "xxxxxx", "ax"])
def test_too_little_history_says_so(letters):
    said = form("Turning to tea.", emerging={"tea": [1, 2]})
    summary = check_summary(said, history(letters), TABLE)
    assert summary.words == NOT_ENOUGH and summary.interests == ()
    assert summary.content == form(NOT_ENOUGH) and summary.unsupported == ("tea",)


def test_what_began_late_is_emerging_where_it_is_foreseen_to_go_on():
    said = form(write_statement("emerging", ["garden · roses"]), emerging={"garden · roses": [9]})
    likely, unlikely = np.array([0.1, 0.5, 0.0, 0.0]), np.array([0.9, 0.49, 0.9, 0.9])
    seen = check_summary(said, GROWING, TABLE, chances=likely)
    assert seen.names("emerging") == ["garden · roses"] and not seen.moved
    assert seen == check_summary(said, GROWING, TABLE)
    denied = check_summary(said, GROWING, TABLE, chances=unlikely)
    assert denied.names("recent") == ["garden · roses"] == list(denied.moved)
    assert not denied.names("emerging")
    assert denied.words == write_statement("recent", ["garden · roses"])


def test_events_at_one_instant_count_in_their_order():
    at_once = tuple(
        Event("u", event.item_id, 7, review="") for event in history("aaaaaabbb").events
    )
    summary = check_summary(form(emerging={"garden · roses": []}), History("u", at_once), TABLE)
    assert summary.by_model and len(summary.content.emerging[0].events) == 3
    assert summary.interests[0].first_seen == summary.interests[0].last_seen == 7


def test_a_table_without_names_names_groups():
    nameless = SemanticIdTable(ITEMS, TABLE.codes, 4, TABLE.centroids, {})
    summary = check_summary(form(emerging={"group 1": [9]}), GROWING, nameless)
    assert summary.names("emerging") == ["group 1"] and summary.by_model
    assert check_summary(summary.content, GROWING, nameless).words == summary.words


def test_the_schema_is_what_the_form_reads():
    schema = json_schema(NAMES, [3, 4])
    assert schema["additionalProperties"] is False
    assert schema["required"] == [*SUMMARY_LISTS, "summary"]
    claim = schema["$defs"]["Claim"]
    assert claim["required"] == ["interest", "events"] and not claim["additionalProperties"]
    assert claim["properties"]["interest"]["enum"] == NAMES
    assert claim["properties"]["events"]["items"]["enum"] == [3, 4]
