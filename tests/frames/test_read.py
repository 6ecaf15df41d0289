"""Frames of every kind as histories, and what is wrong with them in one line."""

from datetime import UTC, date, datetime

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec.frames.answers import RECOMMENDATIONS
from genrec.frames.read import as_frame, as_series, read_histories, read_ids, read_items
from genrec.frames.write import make_frame
from genrec.schema import Event, History, Item, Search

KINDS = {
    "pandas": pd.DataFrame,
    "polars": lambda columns: pl.DataFrame(columns, strict=False),
    "pyarrow": pa.table,
}


def histories(kind: str, columns: dict) -> list[History]:
    return read_histories(nw.from_native(KINDS[kind](columns), eager_only=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "times",
    [
        [5, 3],
        [5.9, 3.0],
        ["1970-01-01T00:00:05", "1970-01-01T01:00:03+01:00"],
        [datetime(1970, 1, 1, 0, 0, 5), datetime(1970, 1, 1, 0, 0, 3)],
        [datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC), datetime(1970, 1, 1, 0, 0, 3, tzinfo=UTC)],
    ],
    ids=["seconds", "fractions", "text", "datetimes", "aware"],
)
def test_times_in_every_form_oldest_first(kind, times):
    columns = {"user_id": ["u", "u"], "item_id": ["b", "a"], "timestamp": times}
    assert histories(kind, columns) == [History("u", (Event("u", "a", 3), Event("u", "b", 5)))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_and_empty_cells(kind):
    columns = {
        "user_id": [7, 8], "item_id": ["a", "b"], "timestamp": [date(1970, 1, 2)] * 2,
        "event_type": ["view", None], "rating": [4.0, None], "title": [None, "Fine"],
        "review": ["x", None],
    }  # fmt: skip
    first, second = histories(kind, columns)
    assert first.events == (Event("7", "a", 86400, "view", 4.0, None, "x"),)
    assert second.events == (Event("8", "b", 86400, None, None, "Fine", None),)


@pytest.mark.parametrize("kind", KINDS)
def test_searches_are_read_as_prepare_reads_them(kind):
    columns = {
        "user_id": ["u"] * 4, "item_id": ["a", None, "b", ""], "timestamp": [1, 4, 5, 3],
        "event_type": ["view", "search", "search", "Search"], "text": ["x", "tea", None, "pot"],
    }  # fmt: skip
    events = Event("u", "a", 1, "view"), Event("u", "b", 5, "search")
    assert histories(kind, columns) == [History("u", events, (Search(3, "pot"), Search(4, "tea")))]
    with pytest.raises(DataError, match=r"events.text\[1\] is missing, of a search"):
        histories(kind, {**columns, "text": ["x", None, None, "pot"]})
    with pytest.raises(DataError, match=r"events.item_id\[1\] is missing"):
        histories(kind, {**columns, "event_type": ["view"] * 4})


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("uvw"), st.sampled_from("abc"), st.integers(0, 4)), max_size=30
    )
)
def test_kinds_agree_and_equal_rows_count_once(rows):
    columns = {
        name: pa.array([row[n] for row in rows], kind)
        for n, (name, kind) in enumerate(
            [("user_id", pa.string()), ("item_id", pa.string()), ("timestamp", pa.int64())]
        )
    }
    table = pa.table(columns)
    frames = [table, table.to_pandas(), pl.from_arrow(table)]
    found = [read_histories(nw.from_native(frame, eager_only=True)) for frame in frames]
    assert found[0] == found[1] == found[2]
    users = dict.fromkeys(row[0] for row in rows)
    assert [history.user_id for history in found[0]] == list(users)
    for history in found[0]:
        times = [event.timestamp for event in history.events]
        assert times == sorted(times)
        assert {(event.user_id, event.item_id, event.timestamp) for event in history.events} == {
            row for row in rows if row[0] == history.user_id
        }
        assert len(set(history.events)) == len(history.events)


WRONG = {
    "no column 'item_id' (its columns: user_id, item, timestamp)": {
        "user_id": ["u"], "item": ["a"], "timestamp": [1],
    },
    "column 'colour' that is not known": {
        "user_id": ["u"], "item_id": ["a"], "timestamp": [1], "colour": ["red"],
    },
    "events.user_id[1] is missing": {
        "user_id": ["u", None], "item_id": ["a", "b"], "timestamp": [1, 2],
    },
    "events.item_id[0]=1.5 is of type float": {
        "user_id": ["u"], "item_id": [1.5], "timestamp": [1],
    },
    "events.timestamp[1]='soon' is no time": {
        "user_id": ["u", "u"], "item_id": ["a", "b"], "timestamp": ["2020-01-01", "soon"],
    },
    "events.rating[0]='good' is no rating": {
        "user_id": ["u"], "item_id": ["a"], "timestamp": [1], "rating": ["good"],
    },
    "events.rating[0]=inf is no rating": {
        "user_id": ["u"], "item_id": ["a"], "timestamp": [1], "rating": [float("inf")],
    },
    "events.item_id[0] is missing": {"user_id": ["u"], "item_id": [""], "timestamp": [1]},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_one_clear_line(kind, message):
    with pytest.raises(DataError) as told:
        histories(kind, WRONG[message])
    assert message in str(told.value) and "\n" not in str(told.value)


def test_mixed_ids_are_told():
    with pytest.raises(DataError, match="mixes text and numbers.*row 1"):
        histories("pandas", {"user_id": ["u", 3], "item_id": ["a", "b"], "timestamp": [1, 2]})
    with pytest.raises(DataError, match="missing"):
        read_ids([pd.NA], "users")
    with pytest.raises(DataError, match="missing"):
        read_ids([float("nan")], "users")
    assert read_ids([np.int64(3), 4], "users") == ["3", "4"]


def test_columns_of_one_name_and_of_the_index_are_told():
    frame = pd.DataFrame({"user_id": ["u"], "item_id": ["a"], "timestamp": [1]})
    table = pa.Table.from_arrays([pa.array(["u"])] * 2, ["user_id"] * 2)
    for twice in (pd.concat([frame, frame[["user_id"]]], axis=1), table):
        with pytest.raises(DataError, match=r"^users has columns of one name \('user_id' 2 times"):
            as_frame(twice, "users")
    indexed = as_frame(frame.set_index("user_id"), "users")
    with pytest.raises(DataError, match=r"no column 'user_id'.*; reset_index\(\) makes one"):
        read_histories(indexed, "users")


def test_batches_and_arrays_of_arrow_are_frames_and_series():
    batch = pa.RecordBatch.from_pydict({"user_id": ["u"], "item_id": ["a"], "timestamp": [1]})
    assert read_histories(as_frame(batch, "users")) == [History("u", (Event("u", "a", 1),))]
    assert as_series(batch.column("user_id")).to_list() == ["u"]
    assert as_frame(batch.column("user_id"), "users") is None and as_series(batch) is None


@pytest.mark.parametrize("kind", KINDS)
def test_items_keep_other_columns_as_text(kind):
    columns = {
        "item_id": ["a", "b"], "title": ["Tea", None], "categories": [["x", "y"], []],
        "colour": ["green", None],
    }  # fmt: skip
    frame = nw.from_native(KINDS[kind](columns), eager_only=True)
    assert read_items(frame) == [
        Item(
            *("a", "Tea", None, ("x", "y"), None, "colour: green"), attributes={"colour": "green"}
        ),
        Item("b"),
    ]  # fmt: skip
    with pytest.raises(DataError, match="item 'a' stands in several rows"):
        read_items(nw.from_native(KINDS[kind]({"item_id": ["a", "a"]}), eager_only=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 2])
def test_answers_are_frames_of_the_kind(kind, rows):
    columns = {"user_id": ["u"], "item_id": ["a"], "score": [-1.5], "rank": [1]}
    columns = {name: values * rows for name, values in columns.items()}
    frame = make_frame(columns, RECOMMENDATIONS, kind)
    assert type(frame).__module__.split(".")[0] == kind
    read = nw.from_native(frame, eager_only=True)
    assert {name: read[name].to_list() for name in read.columns} == columns
    assert read.schema["score"] == nw.Float64 and read.schema["rank"] == nw.Int64


def test_categories_in_a_text_are_split_as_in_a_file():
    given = ["Home|Light", "['x', 'y']", "A > B", "Tea", ("a", "b")]
    frame = pd.DataFrame({"item_id": list("vwxyz"), "categories": given, 0: range(5)})
    items = read_items(as_frame(frame, "items"))
    assert [item.categories for item in items] == [
        ("Home", "Light"), ("x", "y"), ("A", "B"), ("Tea",), ("a", "b"),
    ]  # fmt: skip
    assert items[0].attributes["0"] == 0
