"""Live transition counts, held against counting all histories anew."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.model.live_counts import LiveCounts, LiveEvent
from genrec.model.transition_counts import count_transitions, to_counts, to_votes

NUM_ITEMS = 5
ROWS = st.integers(0, NUM_ITEMS - 1)
USERS = st.lists(
    # What training counted, and what came since with the place where it falls into the history.
    st.tuples(st.lists(ROWS, max_size=8), st.lists(st.tuples(ROWS, st.integers(0, 8)), max_size=6)),
    min_size=1,
    max_size=4,
)


def events_of(counted, live):
    events = [LiveEvent(row, True) for row in counted]
    for row, place in live:
        events.insert(place, LiveEvent(row, False))
    return events


def counted_anew(histories):
    return count_transitions(histories, NUM_ITEMS).toarray()


@settings(max_examples=40, deadline=None)
@given(USERS)
def test_live_counts_equal_counting_anew_at_every_event(users):
    live = LiveCounts(count_transitions([counted for counted, _ in users], NUM_ITEMS))
    now = [counted for counted, _ in users]
    for number, (counted, came) in enumerate(users):
        for upto in range(len(came) + 1):
            events = events_of(counted, came[:upto])
            live.put(f"u{number}", events)
            now[number] = [event.row for event in events]
            np.testing.assert_allclose(live.votes().toarray(), counted_anew(now), atol=1e-6)


@given(USERS)
def test_forgetting_takes_back_exactly_what_was_added(users):
    trained = count_transitions([counted for counted, _ in users], NUM_ITEMS)
    live = LiveCounts(trained)
    for number, each in enumerate(users):
        live.put(f"u{number}", events_of(*each))
    for number in range(len(users)):
        live.put(f"u{number}", [])
    assert not live.pairs and not list(live.users)
    np.testing.assert_allclose(live.votes().toarray(), trained.toarray(), atol=1e-9)


def test_an_item_that_is_not_counted_takes_a_place():
    live = LiveCounts(count_transitions([], NUM_ITEMS))
    live.put("u", [LiveEvent(0, False), LiveEvent(None, False), LiveEvent(1, False)])
    np.testing.assert_allclose(to_counts(live.votes()).toarray()[0, 1], 0.5)


def test_counts_come_back_from_votes():
    counts = to_counts(count_transitions([[0, 1, 2], [0, 2, 1, 0]], 3))
    np.testing.assert_allclose(to_counts(to_votes(counts)).toarray(), counts.toarray())
    np.testing.assert_allclose(counts.toarray()[0], [0, 1.5, 1.5])
