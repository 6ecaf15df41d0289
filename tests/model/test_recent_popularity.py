"""What is taken of late, against counting one event after the other."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data import Dataset
from genrec.model.recent_popularity import DAY_S, MOST_POPULAR, PARTS_OF_WINDOW, RecentPopularity

ITEMS = ["a", "b", "c", "d", "e"]
TIMES = st.integers(-20 * DAY_S, 20 * DAY_S)
EVENTS = st.lists(st.tuples(st.sampled_from([*ITEMS, "new"]), TIMES), max_size=12)


def table_of(item_ids):
    rows = {item_id: row for row, item_id in enumerate(item_ids)}
    return SimpleNamespace(index_of=rows.__getitem__, knows=rows.__contains__)


def popularity_of(events, item_ids=ITEMS):
    rows = [item_ids.index(item) for item, _ in events]
    times = [time for _, time in events]
    return RecentPopularity(
        item_ids, np.array(rows, dtype=np.int64), np.array(times, dtype=np.int64)
    )


def told(popularity, moment, days, table=None):
    table = table or table_of([*ITEMS, "new"])
    found = popularity.before(moment, days, table)
    assert (np.diff(found.rows) > 0).all()
    return dict(zip(found.rows.tolist(), np.expm1(found.scores).round().tolist(), strict=True))


@given(
    st.lists(st.tuples(st.sampled_from(ITEMS), TIMES), max_size=30),
    st.dictionaries(st.sampled_from(["u", "v"]), EVENTS),
    st.sampled_from([1.0, 7.0, 30.0]),
    TIMES,
)
def test_it_counts_the_events_of_the_window(trained, live, days, moment):
    popularity = popularity_of(trained)
    for user_id, events in live.items():
        popularity.put(user_id, [("a", moment - 1)])  # replaced by what follows
        popularity.settle()
        popularity.put(user_id, events)
    popularity.settle()
    part = round(days * DAY_S) // PARTS_OF_WINDOW
    end = moment // part * part
    assert moment - part < end <= moment
    known = [*trained, *(event for events in live.values() for event in events)]
    within = [item for item, time in known if end - days * DAY_S <= time < end]
    rows = [*ITEMS, "new"]
    assert told(popularity, moment, days) == {
        rows.index(item): within.count(item) for item in within
    }
    assert sorted(popularity.users) == sorted(user for user, events in live.items() if events)


def test_what_comes_at_the_moment_itself_does_not_count():
    popularity = popularity_of([("a", 5 * DAY_S - 1), ("b", 5 * DAY_S), ("c", 6 * DAY_S)])
    assert told(popularity, 5 * DAY_S, 1.0) == {0: 1}


def test_whoever_is_forgotten_counts_no_more():
    popularity = popularity_of([("a", 0)])
    popularity.put("u", [("b", 10), ("b", 20)])
    assert told(popularity, DAY_S, 7.0) == {0: 1}
    popularity.settle()
    assert told(popularity, DAY_S, 7.0) == {0: 1, 1: 2}
    popularity.put("u", [])
    popularity.settle()
    assert told(popularity, DAY_S, 7.0) == {0: 1} and popularity.users == []


def test_items_that_the_table_does_not_know_are_passed_over():
    popularity = popularity_of([("a", 0), ("b", 0)])
    assert told(popularity, DAY_S, 7.0, table_of(["b"])) == {0: 1}
    assert told(popularity, DAY_S, 7.0, table_of([])) == {}


def test_it_tells_of_those_most_taken():
    item_ids = [f"i{number}" for number in range(2 * MOST_POPULAR)]
    events = [
        (item, 0)
        for number, item in enumerate(item_ids)
        for _ in range(1 + (number >= MOST_POPULAR))
    ]
    found = told(popularity_of(events, item_ids), DAY_S, 7.0, table_of(item_ids))
    assert found == dict.fromkeys(range(MOST_POPULAR, 2 * MOST_POPULAR), 2)


def test_it_counts_the_train_split(chain):
    data = Dataset.load(chain.data)
    events = [event for history in data.histories("train") for event in history.events]
    moment = max(event.timestamp for event in events) - 30 * DAY_S
    part = round(30 * DAY_S) // PARTS_OF_WINDOW
    end = moment // part * part
    within = [e.item_id for e in events if end - 30 * DAY_S <= e.timestamp < end]
    item_ids = [*data.item_index]
    found = told(RecentPopularity.of(data), moment, 30.0, table_of(item_ids))
    counts = sorted((within.count(item) for item in {*within}), reverse=True)[:MOST_POPULAR]
    assert counts and sorted(found.values(), reverse=True) == counts
    assert all(within.count(item_ids[row]) == count for row, count in found.items())


@pytest.mark.parametrize("moment", [-(10**12), 10**12])
def test_far_from_every_event_there_is_nothing(moment):
    assert told(popularity_of([("a", 0)]), moment, 30.0) == {}


def test_live_events_that_no_window_reaches_are_left_out():
    popularity = popularity_of([("a", 0)])
    popularity.put("old", [("b", 0)])
    popularity.put("both", [("c", 5 * DAY_S), ("c", 70 * DAY_S)])
    popularity.settle()
    assert popularity.users == ["both"]
    assert told(popularity, 6 * DAY_S, 30.0) == {0: 1}
    assert told(popularity, 71 * DAY_S, 30.0) == {2: 1}
