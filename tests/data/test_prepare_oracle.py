"""Preparation against the same rules written plainly in Python."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.data import Dataset, splits
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import DataError
from genrec.schema import SPLITS

ROW = st.tuples(
    st.sampled_from("abcdef"),
    st.sampled_from("uvwxyz"),
    st.integers(0, 12),
    st.sampled_from(["", "1.0", "5.0"]),
)
MANY = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def expected_events(rows, min_user=0, min_item=0):
    """Return the rows that stay, in the order they are to be written."""
    kept = list(dict.fromkeys(rows))
    users = list(dict.fromkeys(user for user, *_ in kept))
    while True:
        by_user, by_item = Counter(row[0] for row in kept), Counter(row[1] for row in kept)
        core = [row for row in kept if by_user[row[0]] >= min_user and by_item[row[1]] >= min_item]
        if core == kept:
            return sorted(kept, key=lambda row: (users.index(row[0]), row[2]))
        kept = core


def prepared(desk, rows, **config):
    lines = [",".join(map(str, row)) for row in rows]
    events = desk.write("events.csv", "\n".join(["user_id,item_id,timestamp,rating", *lines]))
    report = prepare(events, None, desk.out, PrepareConfig(**config))
    return Dataset.load(desk.out), report


def written(data, upto="test"):
    return [
        (event.user_id, event.item_id, event.timestamp, str(event.rating or ""))
        for history in data.histories(upto)
        for event in history.events
    ]


@MANY
@given(rows=st.lists(ROW, min_size=1, max_size=40))
def test_order_and_duplicates(new_desk, rows):
    data, report = prepared(new_desk(), rows)
    assert written(data) == expected_events(rows)
    assert report.event_duplicates == len(rows) - len(set(rows))
    items = list(dict.fromkeys(item for _, item, *_ in rows))
    assert [item.item_id for item in data.items] == items


@MANY
@given(
    rows=st.lists(ROW, min_size=5, max_size=60),
    min_user=st.integers(0, 4),
    min_item=st.integers(0, 4),
)
def test_core(new_desk, rows, min_user, min_item):
    expected = expected_events(rows, min_user, min_item)
    desk = new_desk()
    try:
        data, report = prepared(desk, rows, min_user_events=min_user, min_item_events=min_item)
    except DataError as error:
        assert expected == [] and "lower them" in str(error)
        assert desk.leftovers == set()
        return
    assert written(data) == expected
    total = report.events + report.events_filtered + report.event_duplicates
    assert total == len(rows) == report.event_rows
    if min_item:
        assert {item.item_id for item in data.items} == {row[1] for row in expected}


@MANY
@given(rows=st.lists(ROW, min_size=1, max_size=40), n=st.integers(1, 4))
def test_leave_one_out(new_desk, rows, n):
    data, report = prepared(new_desk(), rows, held_out=n)
    assert sum(report.splits.values()) == report.events
    whole, upto_valid, upto_train = (
        {history.user_id: history.events for history in data.histories(split)}
        for split in ("test", "valid", "train")
    )
    for user_id, events in whole.items():
        # An event is left to train on.
        left_out = n * min((len(events) - 1) // n, 2)
        assert upto_valid[user_id] == (events[:-n] if left_out else events)
        assert upto_train[user_id] == events[: len(events) - left_out]
    for split, back in (("valid", 2 * n), ("test", n)):
        examples = list(data.examples(split))
        assert data.num_examples(split) == len(examples)
        several = [user_id for user_id, events in whole.items() if len(events) > back]
        assert [example.history.user_id for example in examples] == several
        for example in examples:
            events = whole[example.history.user_id]
            assert example.history.events == events[:-back]
            assert example.targets == events[len(events) - back :][:n]


@MANY
@given(
    rows=st.lists(ROW, min_size=1, max_size=60),
    n=st.integers(1, 3),
    valid_users=st.none() | st.integers(0, 7),
    test_users=st.none() | st.integers(0, 7),
)
def test_only_so_many_users_are_held_out(new_desk, rows, n, valid_users, test_users):
    desk = new_desk()
    data, _ = prepared(desk, rows, held_out=n, valid_users=valid_users, test_users=test_users)
    whole = {history.user_id: history.events for history in data.histories("test")}
    valid, test = (
        {one.history.user_id: one for one in data.examples(split)} for split in ("valid", "test")
    )
    for asked, found in ((valid_users, valid), (test_users, test)):
        assert len(found) <= (len(whole) if asked is None else asked)
    trained = {history.user_id: history.events for history in data.histories("train")}
    for user_id, events in whole.items():
        left_out = n * ((user_id in valid) + (user_id in test))
        assert trained[user_id] == events[: len(events) - left_out]
        if user_id in test:
            assert test[user_id].targets == events[-n:]
        if user_id in valid:
            end = len(events) - n * (user_id in test)
            assert valid[user_id].targets == events[end - n : end]
    # One draw decides, small groups within large ones; who has too few events takes nobody's place.
    enough = {user_id for user_id, events in whole.items() if len(events) > n}
    able = {user_id for user_id, events in whole.items() if len(events) > 2 * n}
    assert set(test) <= enough
    if test_users is None:
        assert set(test) == enough
        assert len(valid) == (len(able) if valid_users is None else min(valid_users, len(able)))
    if None not in (valid_users, test_users) and valid_users <= test_users:
        assert set(valid) & able <= set(test)


def test_training_gets_what_validation_does_not_need(new_desk, monkeypatch):
    rows = [(user, item, time, "") for user in range(8) for time, item in enumerate("abcd")]

    def validated(users=8):
        some = [row for row in rows if row[0] < users]
        data, _ = prepared(
            new_desk(), [*some, ("once", "a", 0, ""), ("twice", "a", 0, ""), ("twice", "b", 1, "")]
        )
        valid = len(list(data.examples("valid")))
        assert len(list(data.examples("test"))) == users + 1
        train = sum(len(history.events) for history in data.histories("train"))
        assert train == users * 3 - valid + 2
        return valid

    assert validated() == 8
    monkeypatch.setattr(splits, "FEWEST_VALID_USERS", 1)
    assert validated() == 2
    assert validated(users=1) == 1
    monkeypatch.setattr(splits, "MOST_VALID_EVENTS", 0.2)
    assert validated() == 7
    monkeypatch.setattr(splits, "MOST_VALID_USERS", 3)
    assert validated() == 3


def test_users_are_not_drawn_where_time_splits():
    with pytest.raises(ValueError, match="go with leave-one-out"):
        PrepareConfig(split="global-time", test_users=0)


@MANY
@given(
    rows=st.lists(ROW, min_size=5, max_size=40),
    shares=st.tuples(st.sampled_from([0.05, 0.2, 0.4]), st.sampled_from([0.05, 0.2, 0.4])),
)
def test_global_time_shows_nobody_the_future(new_desk, rows, shares):
    desk = new_desk()
    try:
        data, report = prepared(
            desk, rows, split="global-time", valid_share=shares[0], test_share=shares[1]
        )
    except DataError as error:
        assert "nothing to train on" in str(error)
        assert desk.leftovers == set()
        return
    assert data.protocol == "global-time"
    times = {split: [] for split in SPLITS}
    known = {split: Counter(written(data, split)) for split in SPLITS}
    known["none"] = Counter()
    for split, before in zip(SPLITS, ["none", *SPLITS], strict=False):
        times[split] = [time for _, _, time, _ in (known[split] - known[before]).elements()]
        assert len(times[split]) == report.splits[split]
    for earlier, later in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert max(times[earlier], default=-1) < min(times[later], default=99)
    for split in ("valid", "test"):
        for example in data.examples(split):
            latest_known = max(event.timestamp for event in example.history.events)
            everything_before = max(times["train"] + (times["valid"] if split == "test" else []))
            assert latest_known <= everything_before
            assert all(event.timestamp > everything_before for event in example.targets)
    # A share is met as closely as events of one moment, which stay together, allow.
    assert report.splits["test"] >= round(report.events * shares[1])


@MANY
@given(rows=st.lists(ROW, min_size=1, max_size=40), upto=st.sampled_from(SPLITS))
def test_interactions_are_the_histories_in_numbers(new_desk, rows, upto):
    data, _ = prepared(new_desk(), rows)
    numbers = data.interactions(upto)
    users = [history.user_id for history in data.histories("test")]
    assert numbers.num_users == len(users) and numbers.num_items == len(data.items)
    triples = zip(numbers.user_index, numbers.item_index, numbers.timestamp, strict=True)
    assert [(users[u], data.items[i].item_id, t) for u, i, t in triples] == [
        row[:3] for row in written(data, upto)
    ]
    assert (
        numbers.user_index.dtype == numbers.item_index.dtype == numbers.timestamp.dtype == "int64"
    )
