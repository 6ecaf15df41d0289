"""What-if questions to a trained run, and the names and places they are asked by."""

import math

import numpy as np
import pytest

from genrec.errors import DataError, DecodeError
from genrec.interests.counterfactual import find_prefix, read_interest_bias, resolve_event_indices
from genrec.recommender import Recommender
from genrec.schema import Event, History
from genrec.semantic_ids.table import SemanticIdTable

CODES = np.array([(0, 0, 0), (0, 1, 0), (1, 0, 0)])
NAMES = {
    (0,): "Tea & coffee",
    (0, 1): "Tea & coffee · green",
    (1,): "running · trail",
    (2,): "gone",
}
TABLE = SemanticIdTable(list("abc"), CODES, 3, np.zeros((3, 3, 1), np.float32), NAMES)


@pytest.fixture(scope="module")
def recommender(chain):
    return Recommender.from_pretrained(chain.sft, "cpu", num_beams=300)


@pytest.fixture(scope="module")
def past(recommender):
    return max(recommender.data.histories("test"), key=lambda one: len(one.events))


def ids(found):
    return [item.item_id for item in found]


def test_interests_are_found_by_name_or_prefix():
    assert find_prefix(TABLE, "tea & COFFEE ") == (0,)
    assert find_prefix(TABLE, (0, 1)) == (0, 1)
    assert read_interest_bias(TABLE, {"tea & coffee": 1, (0,): 0.5, (1,): -2}) == {
        (0,): 1.5,
        (1,): -2,
    }


@pytest.mark.parametrize(
    ("interest", "words"),
    [
        ("tea", "did you mean 'Tea & coffee' or 'Tea & coffee · green'"),
        ("runing trail", "did you mean 'running · trail'"),
        ("xyzzy", "such as 'Tea & coffee', 'gone', 'running · trail'"),
        ("", "interests are called such as"),
        ("gone", "no item lies under"),
        ((0, 2), "no item lies under"),
        ((), "1 to 3 codes"),
        ((0, 0, 0, 0), "1 to 3 codes"),
    ],
)
def test_an_interest_that_is_not_there_is_refused_with_what_is(interest, words):
    with pytest.raises(DataError, match=words.replace("(", r"\(")):
        find_prefix(TABLE, interest)


@pytest.mark.parametrize("nats", [math.nan, math.inf, 101, 10**400])
def test_nats_that_make_no_sense_are_refused(nats):
    with pytest.raises(DataError, match="nats from -100 to 100"):
        read_interest_bias(TABLE, {"tea & coffee": nats})


def test_events_are_found_by_number_or_item():
    history = History("u", tuple(Event("u", item, n) for n, item in enumerate("abca")))
    assert resolve_event_indices(history, [1, -1, "b"]) == {0, 3, 1}
    assert resolve_event_indices(history, ["a"]) == {0, 3}
    for one in (0, 5, -5):
        with pytest.raises(DataError, match=f"no event {one}: it has 4"):
            resolve_event_indices(history, [one])
    with pytest.raises(DataError, match="no event of item 'z'"):
        resolve_event_indices(history, ["z"])


def test_a_past_moment_is_the_history_until_then(recommender, past):
    moment = past.events[len(past.events) // 2].timestamp
    known = [event for event in past.events if event.timestamp < moment]
    then = recommender.recommend(past.user_id, k=5, as_of=moment)
    assert then == recommender.recommend(events=known, k=5, at=moment)
    # What was met only later may be recommended then.
    later = {event.item_id for event in past.events} - {event.item_id for event in known}
    candidates = sorted(later)
    assert (
        set(ids(recommender.recommend(past.user_id, k=1, candidates=candidates, as_of=moment)))
        <= later
    )
    start = past.events[0].timestamp
    assert recommender.recommend(past.user_id, k=5, as_of=start) == recommender.recommend(
        events=[], k=5, at=start
    )


def test_without_an_event_is_the_history_that_never_had_it(recommender, past):
    events = past.events
    assert recommender.recommend(past.user_id, k=5, without=[-1]) == recommender.recommend(
        events=events[:-1], k=5
    )
    item = events[0].item_id
    kept = [event for event in events if event.item_id != item]
    assert recommender.recommend(past.user_id, k=5, without=[item]) == recommender.recommend(
        events=kept, k=5
    )


def test_turning_an_interest_moves_its_items(recommender, past):
    table = recommender.table
    plain = recommender.recommend(past.user_id, k=len(table) - 60)
    best = plain[0].semantic_id[:1]
    rare = plain[-1].semantic_id[:1]
    up = recommender.recommend(past.user_id, k=3, interest_bias={rare: 30})
    assert all(item.semantic_id[:1] == rare for item in up)
    down = recommender.recommend(past.user_id, k=10, interest_bias={table.name_of(best): -40})
    assert len(down) == 10
    assert down[0].semantic_id[:1] != best
    # An interest bias moves no item within its interest.
    inside = [item.item_id for item in plain if item.semantic_id[:1] == best]
    turned = recommender.recommend(past.user_id, k=len(table) - 60, interest_bias={best: 1.0})
    assert [item.item_id for item in turned if item.semantic_id[:1] == best] == inside


def test_filters_hold_under_any_bias(recommender, past):
    items = [item.item_id for item in recommender.data.items]
    only, exclude = items[:30], items[:10]
    prefix = recommender.codes_of(items[0])[:1]
    options = {"candidates": only, "exclude": exclude, "filter_seen": False}
    options["interest_bias"] = {prefix: 50}
    found = recommender.recommend(past.user_id, k=20, **options)
    assert set(ids(found)) == set(only) - set(exclude)
    with pytest.raises(DecodeError, match="leave 20"):
        recommender.recommend(past.user_id, k=21, **options)


def test_explanations_take_the_same_suppositions(recommender, past):
    moment = past.events[-3].timestamp
    prefix = recommender.codes_of("P001")[:1]
    supposed = {"as_of": moment, "without": [1], "interest_bias": {prefix: 2.0}}
    item = recommender.recommend(past.user_id, k=1, **supposed)[0]
    found = recommender.explain(item.item_id, past.user_id, **supposed)
    assert found.score == pytest.approx(item.score, abs=1e-4)
    assert all(effect.event.timestamp < moment for effect in found.effects)
