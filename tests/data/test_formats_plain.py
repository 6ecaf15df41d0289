"""Plain tables of events and items, in every kind of file."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genrec.data.formats import FORMATS
from genrec.schema import Event, Item
from tests.data.conftest import all_events

ROWS = [
    {
        "user_id": "u1",
        "item_id": "i1",
        "timestamp": 10,
        "rating": 4.0,
        "review": 'so "good",\nreally',
    },
    {"user_id": "u1", "item_id": "i2", "timestamp": 20, "rating": None, "review": None},
    {"user_id": "2", "item_id": "3", "timestamp": 15, "rating": 1.5, "review": "é"},
]


EVENTS = [
    Event("u1", "i1", 10, rating=4.0, review='so "good", really'),
    Event("u1", "i2", 20),
    Event("2", "3", 15, rating=1.5, review="é"),
]


CSV = (
    'user_id,item_id,timestamp,rating,review\r\nu1,i1,10,4.0,"so ""good"",\nreally"\r\n'
    "u1,i2,20,,\r\n2,3,15,1.5,é"
)


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("kind", ["csv", "tsv", "semicolons", "bom.csv", "jsonl", "parquet"])
def test_plain_files_say_the_same_in_every_kind(desk, kind, ending):
    if kind == "parquet":
        path = desk.root / "plain.parquet"
        pq.write_table(pa.Table.from_pylist(ROWS), path)
        path = desk.write(f"events.parquet{ending}", path.read_bytes())
    elif kind == "jsonl":
        path = desk.write(f"events.jsonl{ending}", ROWS)
    else:
        text = CSV
        if kind in ("tsv", "semicolons"):
            text = CSV.replace('"",\n', "\x00").replace(",", "\t" if kind == "tsv" else ";")
            text = text.replace("\x00", '"",\n')
        path = desk.write(f"events.{kind}{ending}", ("\ufeff" if "bom" in kind else "") + text)
    data, report = desk.prepare(path)
    assert all_events(data) == EVENTS
    assert report.event_rows == 3 and not report.event_rejects
    assert [item.item_id for item in data.items] == ["i1", "i2", "3"]


def test_the_name_does_not_decide(desk):
    path = desk.write("log", json.dumps(ROWS[0]) + "\n")
    assert all_events(desk.prepare(path)[0]) == EVENTS[:1]


def test_times_of_parquet_and_iso_dates(desk):
    table = pa.table(
        {
            "user_id": [1, 2],
            "item_id": pa.array([7.0, 8.0]),
            "timestamp": pa.array([1_500_000, 2_000_000], pa.timestamp("ms")),
        }
    )
    pq.write_table(table, desk.root / "events.parquet")
    data, _ = desk.prepare(desk.root / "events.parquet")
    assert all_events(data) == [Event("1", "7", 1500), Event("2", "8", 2000)]

    dates = ["2014-07-06", "2014-07-06 12:00:00", "2014-07-06T12:00:00Z", "1.4046048e9"]
    dates += ["2014-07-06T12:00:00.5+02:00"]
    rows = [f"u{number},i,{date}\n" for number, date in enumerate(dates)]
    path = desk.write("events.csv", "user_id,item_id,timestamp\n" + "".join(rows))
    data, _ = desk.prepare(path)
    midnight, noon = 1404604800, 1404648000
    times = [event.timestamp for event in all_events(data)]
    assert times == [midnight, noon, noon, midnight, noon - 7200]


def test_unknown_item_columns_are_kept_as_text_by_name(desk):
    events = desk.write("events.csv", "user_id,item_id,timestamp\nu,i,1\n")
    items = desk.write(
        "items.csv",
        "item_id,title,categories,colour,size\ni, Lamp &amp; shade ,Home|Light,red,\nj,,,,\n",
    )
    data, _ = desk.prepare(events, items)
    assert data.items == [
        Item(
            *("i", "Lamp & shade", None, ("Home", "Light"), None, "colour: red"),
            attributes={"colour": "red"},
        ),
        Item("j"),
    ]
    items = desk.write(
        "items.jsonl",
        [{"item_id": "i", "tags": ["a", "b"], "specs": {"width": 3, "deep": {"x": True}}, "n": 0}],
    )
    data, _ = desk.prepare(events, items)
    assert data.items[0].text == "tags: a, b\nspecs: width: 3, deep: x: yes\nn: 0"


def test_several_event_files_count_as_one(desk):
    first = desk.write("a.csv", "user_id,item_id,timestamp\nu,i,1\nv,i,1\n")
    second = desk.write("b.csv", "timestamp,user_id,item_id\n1,u,j\n0,u,i\n1,u,i\n")
    data, report = desk.prepare([first, second])
    assert [event.item_id for event in data.history("u").events] == ["i", "i", "j"]
    assert report.event_duplicates == 1


def test_every_format_has_a_test():
    sources = Path(__file__).parent.glob("test_formats_*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in sources)
    for name in FORMATS:
        assert name == "plain" or f'format="{name}"' in source
