"""Interests over time, and why an item: both hold against the profile and the events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.interests.explain.shared_prefix import MAX_EVENTS, Reason, find_reason
from genrec.interests.profile.interests import find_interests
from genrec.interests.timeline.timeline import interest_timeline
from genrec.schema import Event, History
from genrec.semantic_ids.table import SemanticIdTable

CODES = {"a": (0, 0, 0), "b": (0, 1, 0), "c": (0, 1, 1), "d": (1, 0, 0), "e": (2, 0, 0)}
NAMES = {(0,): "tea", (0, 1): "tea · green", (1,): "running"}
TABLE = SemanticIdTable(
    list(CODES), np.array(list(CODES.values())), 3, np.zeros((3, 3, 1), np.float32), NAMES
)


def history(items):
    return History("u", tuple(Event("u", item, 10 * n) for n, item in enumerate(items)))


@given(st.text("abcdex", max_size=30))
def test_the_weights_after_each_event_are_those_of_the_profile_then(items):
    prefixes = [(0,), (1,), (2,)]
    whole = history(items)
    stream = interest_timeline(whole, TABLE, prefixes)
    known = [event for event in whole.events if event.item_id != "x"]
    assert stream.timestamps == tuple(event.timestamp for event in known)
    assert stream.weights.shape == (3, len(known))
    for place in range(len(known)):
        until = History("u", tuple(known[: place + 1]))
        profile = {one.prefix: one.weight for one in find_interests(until, TABLE, min_evidence=1)}
        for row, prefix in enumerate(prefixes):
            assert stream.weights[row, place] == pytest.approx(profile.get(prefix, 0))
    np.testing.assert_allclose(stream.weights.sum(axis=0), 1)
    for interest in find_interests(whole, TABLE, min_evidence=1):
        weights = stream.weights[prefixes.index(interest.prefix)]
        highest = stream.timestamps.index(interest.peak)
        assert weights[highest] == pytest.approx(weights.max())


def test_a_timeline_of_no_interests_or_no_events_is_empty():
    assert interest_timeline(history("ab"), TABLE, []).weights.shape == (0, 2)
    assert interest_timeline(history(""), TABLE, [(0,)]).weights.shape == (1, 0)


def test_the_longest_named_prefix_that_is_shared_is_the_reason():
    reason = find_reason((0, 1, 1), history("abd"), TABLE)
    assert (reason.prefix, reason.interest, reason.count) == ((0, 1), "tea · green", 1)
    assert [event.item_id for event in reason.events] == ["b"]


def test_without_a_finer_one_the_coarse_prefix_is():
    reason = find_reason((0, 1, 1), history("aad"), TABLE)
    assert (reason.interest, reason.count) == ("tea", 2)
    # (0, 0) has no name of its own: nothing finer than the coarse one can be said.
    assert find_reason((0, 0, 1), history("ab"), TABLE).prefix == (0,)


def test_the_newest_events_are_quoted_and_all_are_counted():
    reason = find_reason((1, 2, 2), history("dxadddd"), TABLE)
    assert reason.count == 5
    assert [event.timestamp for event in reason.events] == [60, 50, 40][:MAX_EVENTS]


@pytest.mark.parametrize("items", ["", "x", "abc"])
def test_without_anything_in_common_there_is_no_reason(items):
    assert find_reason((2, 2, 2), history(items), TABLE) is None


def test_a_reason_says_how_many_events_it_does_not_name():
    events = tuple(Event("u", item, 0) for item in "abc")
    few, many = Reason((0,), "tea", events, 3), Reason((0,), "tea", events, 7)
    assert few.sentence(["A", "B", "A"]) == "Of “tea”, like A and B in your history."
    assert many.sentence(["A", "B", "C"]) == "Of “tea”, like A, B, C and 4 more in your history."
