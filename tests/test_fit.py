"""What ``Recommender.fit`` refuses, in one line and before anything takes long."""

import tempfile

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from genrec.errors import ArtifactError, DataError, GenrecError
from genrec.fit import fit

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [1, 2, 3]}
KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
WRONG = {
    "no column 'timestamp'": {"user_id": ["u"], "item_id": ["a"]},
    "column 'colour' that is not known": {**EVENTS, "colour": ["x", "y", "z"]},
    "events.user_id\\[1\\] is missing": {**EVENTS, "user_id": ["u", None, "v"]},
    "events.timestamp\\[0\\]='soon' is no time": {**EVENTS, "timestamp": ["soon"] * 3},
}


def train(events, items=None, config=None, out=None, device="cpu", num_beams=10):
    return fit(events, items, config, out, device, num_beams)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("message", WRONG)
def test_frames_that_cannot_be_used_are_told_and_leave_nothing(
    kind, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DataError, match=message) as told:
        train(KINDS[kind](WRONG[message]))
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [None, "events.csv", EVENTS, [("u", "a", 1)], pd.Series([1, 2])])
def test_what_is_no_frame_is_told(wrong):
    with pytest.raises(DataError, match="^events=") as told:
        train(wrong)
    assert "\n" not in str(told.value)
    with pytest.raises(DataError, match="^items="):
        train(pd.DataFrame(EVENTS), items="items.csv" if wrong is None else wrong)


def test_what_users_say_is_read_before_anything_is_made():
    for users, message in (
        (pd.DataFrame({"user_id": ["u"]}), "no column 'about'"),
        (pd.DataFrame({"user_id": ["u"], "about": ["x"], "town": ["y"]}), "column 'town'"),
        ("users.csv", "^users="),
    ):
        with pytest.raises(DataError, match=message):
            fit(pd.DataFrame(EVENTS), None, None, None, "cpu", 10, users)


def test_mixed_ids_and_items_twice_are_told():
    with pytest.raises(DataError, match="mixes text and numbers"):
        train(pd.DataFrame({**EVENTS, "user_id": ["u", 3, "v"]}))
    with pytest.raises(DataError, match="item 'a' stands in several rows"):
        train(pd.DataFrame(EVENTS), pd.DataFrame({"item_id": ["a", "a"]}))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"config": {"training": {}}}, "no stage 'training'"),
        ({"config": {"pretrain": {"epoch": 3}}}, "'epoch'"),
        ({"config": {"index": {"codebook_size": "x"}}}, "'codebook_size'"),
        ({"config": {"pretrain": {"out": "elsewhere"}}}, "sets 'out'"),
        ({"config": "pretrain"}, "^config='pretrain' is of type str"),
        ({"config": {"pretrain": None}}, r"^config\['pretrain'\]=None"),
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"num_beams": 0}, "^num_beams=0"),
        ({"num_beams": "9"}, "^num_beams='9'"),
        ({"out": 3}, "^out=3"),
    ],
)
def test_arguments_are_read_before_anything_is_made(wrong, message, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(GenrecError, match=message) as told:
        train(pd.DataFrame(EVENTS), **wrong)
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtifactError, match="cannot write .*; choose another output"):
        train(pd.DataFrame(EVENTS), out=tmp_path / "file")


@pytest.mark.parametrize("kind", KINDS)
def test_events_of_items_that_are_not_given_are_told_by_their_row(kind, tmp_path):
    events = {name: values * 2 for name, values in EVENTS.items()}
    with pytest.raises(DataError, match="unknown item, first in events line 2: 'b'") as told:
        train(KINDS[kind](events), KINDS[kind]({"item_id": ["a"]}), out=tmp_path)
    assert "parquet" not in str(told.value)


def test_a_frame_without_rows_is_told():
    with pytest.raises(DataError, match="events has no rows"):
        train(pd.DataFrame(EVENTS).iloc[:0])
    with pytest.raises(DataError, match="items has no rows"):
        train(pd.DataFrame(EVENTS), pd.DataFrame({"item_id": []}))
