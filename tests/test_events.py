"""Events of a user's own, in every form in which people have them."""

from collections import namedtuple
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest

from genrec.errors import DataError, WrongTypeError
from genrec.events import NEW_USER, read_events
from genrec.schema import Event

THEN = 1_600_000_000
ONE = Event(NEW_USER, "P1", THEN, "view")


@pytest.mark.parametrize(
    "given",
    [
        [ONE],
        (Event("u", "P1", THEN, "view"),),
        [("P1", THEN, "view")],
        [["P1", "2020-09-13T12:26:40Z", "view", None, float("nan")]],
        [{"item_id": "P1", "timestamp": datetime(2020, 9, 13, 12, 26, 40), "event_type": "view"}],
        [{"item_id": "P1", "timestamp": np.datetime64(THEN, "s"), "event_type": "view"}],
        iter([ONE]),
        pa.table({"item_id": ["P1"], "timestamp": [THEN], "event_type": ["view"]}),
    ],
)
def test_every_form_of_one_event(given):
    (event,) = read_events(given)
    assert (event.item_id, event.timestamp, event.event_type) == ("P1", THEN, "view")
    assert event.rating is event.title is event.review is None


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "item_id": [7, 8],
            "timestamp": pandas.to_datetime([THEN, THEN + 60], unit="s"),
            "rating": [5.0, None],
            "event_type": ["view", None],
            "review": ["lovely", pandas.NA],
        }
    )
    expected = (
        Event(NEW_USER, "7", THEN, "view", 5.0, None, "lovely"),
        Event(NEW_USER, "8", THEN + 60),
    )
    assert read_events(frame) == expected
    assert read_events(list(frame.itertuples())) == expected
    assert read_events(frame.to_dict("records")) == expected
    rows = [
        Event("u", str(row.item_id), row.timestamp, row.event_type, row.rating, review=row.review)
        for row in frame.itertuples()
    ]
    assert [(e.rating, e.review, e.event_type) for e in read_events(rows)] == [
        (5.0, "lovely", "view"),
        (None, None, None),
    ]
    with pytest.raises(WrongTypeError, match=r"^events\[0\].timestamp=NaT"):
        read_events(frame.assign(timestamp=pandas.NaT))


def test_forms_of_times():
    Row = namedtuple("Row", "item_id timestamp")
    forms = [THEN, float(THEN), np.int32(THEN), "2020-09-13 12:26:40", str(THEN)]
    forms += [datetime.fromtimestamp(THEN, UTC)]
    assert {event.timestamp for event in read_events([Row("a", form) for form in forms])} == {THEN}
    assert read_events([("a", date(2020, 9, 13))])[0].timestamp == 1599955200


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (("a",), r"events\[0\].timestamp=None"),
        ((None, 1), r"events\[0\].item_id=None"),
        ((1.5, 1), r"events\[0\].item_id=1.5"),
        ((True, 1), r"events\[0\].item_id=True"),
        ((b"a", 1), r"events\[0\].item_id=b'a'"),
        (("a", "soon"), r"events\[0\].timestamp='soon' is no time"),
        (("a", 1_600_000_000_123), "give seconds, not milliseconds"),
        (("a", 1, 3), r"events\[0\].event_type=3"),
        (("a", 1, None, "5"), r"events\[0\].rating='5'"),
        (("a", 1, None, float("inf")), r"events\[0\].rating=inf"),
        (("a", 1, None, 10**400), r"events\[0\].rating=inf"),
        (("a", 1, None, None, None, 7), r"events\[0\].review=7"),
        (("a", 1, None, None, None, None, None), "has 7 values"),
        ({"item": "a", "timestamp": 1}, r"unknown field 'item'"),
        (7, r"events\[0\]=7"),
    ],
)
def test_the_rest_is_refused_by_name(event, message):
    with pytest.raises(DataError, match=message):
        read_events([event])


@pytest.mark.parametrize("given", ["P1", {"item_id": "a"}, 7, b"P1"])
def test_what_is_no_collection(given):
    with pytest.raises(WrongTypeError, match="^events="):
        read_events(given)


def test_columns_of_one_name_are_told():
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    names = ["item_id", "timestamp", "item_id"]
    table = arrow.Table.from_arrays(list(map(arrow.array, (["a"], [1], ["b"]))), names)
    for frame in (pandas.DataFrame([["a", 1, "b"]], columns=names), table):
        with pytest.raises(DataError, match="events has several columns 'item_id'"):
            read_events(frame)
