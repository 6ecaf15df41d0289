"""What ``Recommender.fit`` refuses, in one line and before anything takes long."""

import tempfile

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from genrec.errors import ConfigError, DataError, GenrecError
from genrec.fit import fit

EVENTS = {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "timestamp": [1, 2, 3]}
KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
WRONG = {
    "no column 'timestamp'": {"user_id": ["u"], "item_id": ["a"]},
    "column 'colour' that is not known": {**EVENTS, "colour": ["x", "y", "z"]},
    "events.user_id\\[1\\] is missing": {**EVENTS, "user_id": ["u", None, "v"]},
    "events.timestamp\\[0\\]='soon' is no time": {**EVENTS, "timestamp": ["soon"] * 3},
}


def train(events, items=None, config=None, out=None):
    return fit(events, items, config, out, "cpu", 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("message", WRONG)
def test_frames_that_cannot_be_used_are_told_and_leave_nothing(
    kind, message, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DataError, match=message) as told:
        train(KINDS[kind](WRONG[message]))
    assert "\n" not in str(told.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [None, "events.csv", EVENTS, [("u", "a", 1)]])
def test_what_is_no_frame_is_told(wrong):
    with pytest.raises(DataError, match="^events="):
        train(wrong)
    with pytest.raises(DataError, match="^items="):
        train(pd.DataFrame(EVENTS), items=wrong or "items.csv")


def test_mixed_ids_and_items_twice_are_told():
    with pytest.raises(DataError, match="mixes text and numbers"):
        train(pd.DataFrame({**EVENTS, "user_id": ["u", 3, "v"]}))
    with pytest.raises(DataError, match="item 'a' stands in several rows"):
        train(pd.DataFrame(EVENTS), pd.DataFrame({"item_id": ["a", "a"]}))


@pytest.mark.parametrize(
    "config", [{"training": {}}, {"pretrain": {"epoch": 3}}, {"index": {"codebook_size": "x"}}]
)
def test_settings_are_read_before_anything_is_made(config, tmp_path):
    with pytest.raises(ConfigError):
        train(pd.DataFrame(EVENTS), config=config, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_frame_without_rows_is_told():
    with pytest.raises(GenrecError) as told:
        train(pd.DataFrame(EVENTS).iloc[:0])
    assert "\n" not in str(told.value)
