"""What users pass in, brought to one form or refused with the argument's name."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from genrec.arguments import (
    check_count,
    check_flag,
    check_id,
    check_ids,
    check_integer,
    check_path,
    check_real,
    check_text,
    show_number,
    to_seconds,
)
from genrec.errors import DataError, WrongTypeError

NOON = 1_393_675_200


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        float(NOON),
        NOON + 0.9,
        np.int64(NOON),
        np.float64(NOON),
        str(NOON),
        "2014-03-01T12:00",
        "2014-03-01 12:00:00Z",
        "2014-03-01T13:00+01:00",
        datetime(2014, 3, 1, 12),
        datetime(2014, 3, 1, 12, tzinfo=UTC),
        datetime(2014, 3, 1, 7, tzinfo=timezone(timedelta(hours=-5))),
        np.datetime64("2014-03-01T12:00"),
        np.datetime64(NOON * 10**9, "ns"),
    ],
    ids=str,
)
def test_a_moment_is_taken_in_every_form(moment):
    seconds = to_seconds(moment)
    assert seconds == NOON and type(seconds) is int


def test_a_date_is_its_first_second_and_times_before_1970_are_negative():
    assert to_seconds(date(2014, 3, 1)) == to_seconds("2014-03-01") == NOON - 43_200
    assert to_seconds(np.datetime64("2014-03-01")) == NOON - 43_200
    assert to_seconds("20140301") == to_seconds("2014-03-01") and to_seconds("20149901") == 20149901
    assert to_seconds("1969-12-31T23:59:59") == to_seconds("-1") == to_seconds(-0.5) == -1


def test_a_moment_of_pandas_is_taken():
    pandas = pytest.importorskip("pandas")
    assert to_seconds(pandas.Timestamp("2014-03-01T12:00")) == NOON
    with pytest.raises(DataError, match="at=NaT"):
        to_seconds(pandas.NaT, "at")


@pytest.mark.parametrize(
    "moment", ["tomorrow", "", float("nan"), float("inf"), np.datetime64("NaT"), np.float32("nan")]
)
def test_what_is_no_moment_is_refused(moment):
    with pytest.raises(DataError, match="^at="):
        to_seconds(moment, "at")


@pytest.mark.parametrize("moment", [True, None, [NOON], {}, b"2014", 1j, object()])
def test_a_moment_of_a_wrong_type_is_a_type_error_that_names_it(moment):
    with pytest.raises(TypeError, match=rf"^at=.* of type {type(moment).__name__}; give seconds"):
        to_seconds(moment, "at")


def test_numbers_texts_and_flags():
    assert check_integer(np.int32(3), "k") == check_count(3, "k") == 3
    assert check_ids(("a", np.str_("b"), 7, np.int64(8)), "exclude") == ["a", "b", "7", "8"]
    assert check_ids({"a": 1}.keys(), "exclude") == ["a"]
    assert check_ids(np.array(["a", "b"]), "exclude") == ["a", "b"]
    assert check_ids(None, "exclude") == []
    assert check_id(54, "user_id") == "54"
    assert check_flag(np.bool_(True), "filter_seen") is True
    with pytest.raises(DataError, match="top=0: give at least 1"):
        check_count(0, "top")
    with pytest.raises(DataError, match=r"top=1.00e\+400: give at most 9"):
        check_count(10**400, "top", 9)
    with pytest.raises(DataError, match="surrogate"):
        check_text("a\ud800", "user_id")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *((0, "0"), (2.5, "2.5"), (-1, "-1"), (float("nan"), "nan"), (float("inf"), "inf")),
        *((10**400, r"1\.00e\+400"), (-(10**400), r"-1\.00e\+400")),
    ],
)
def test_what_is_outside_its_bounds_is_refused_however_large(value, shown):
    with pytest.raises(DataError, match=f"^by={shown}: give nats above 0, at most 1$"):
        check_real(value, "by", "nats above 0, at most 1", 0, 1, above=True)


def test_a_number_that_python_writes_no_digits_of_is_shown():
    assert show_number(10**5000) == "1.00e+5000" and show_number(-(10**14)) == "-1" + "0" * 14


def test_what_is_within_its_bounds_is_a_float():
    for value in (1, 0.5, np.float32(0.5), np.int64(1)):
        number = check_real(value, "by", "a share", 0, 1)
        assert number == value and type(number) is float
    assert check_real(0, "by", "a share", 0, 1) == 0
    for wrong in (True, "1", None, np.bool_(True)):
        with pytest.raises(WrongTypeError, match=r"give a share \(a number\)"):
            check_real(wrong, "by", "a share", 0, 1)


@pytest.mark.parametrize("value", [True, 1.0, "1", None, [1], np.array([1, 2]), np.array(1.0)])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(WrongTypeError, match="^k="):
        check_integer(value, "k")


@pytest.mark.parametrize(
    "value",
    [
        *("abc", b"abc", 3, {"a": 1}, ["a", 3.0], [None], [True], [b"a"]),
        *(pd.DataFrame({"item_id": ["a"]}), pl.DataFrame({"a": ["a"]}), pa.table({"a": ["a"]})),
    ],
)
def test_what_is_no_collection_of_texts_is_refused(value):
    with pytest.raises(WrongTypeError, match=r"^exclude(\[\d\])?="):
        check_ids(value, "exclude")


@pytest.mark.parametrize("value", [None, 3, ["a"]])
def test_what_is_no_path_is_refused(value, tmp_path):
    assert check_path(tmp_path, "out") == check_path(str(tmp_path), "out") == tmp_path
    with pytest.raises(WrongTypeError, match="^out="):
        check_path(value, "out")


def test_a_value_of_many_lines_is_shown_in_one():
    with pytest.raises(WrongTypeError) as told:
        check_integer(np.arange(4.0).reshape(2, 2), "k")
    assert "\n" not in str(told.value) and "k=array([[0., 1.], [2., 3.]])" in str(told.value)


@pytest.mark.parametrize("value", ["no", 1, None])
def test_what_is_no_flag_is_refused(value):
    with pytest.raises(WrongTypeError, match="^filter_seen="):
        check_flag(value, "filter_seen")
