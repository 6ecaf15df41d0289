"""Events against their items: prepared, kept for steering, and in no split."""

import pytest

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import DataError
from genrec.feedback import evidence_of, grade_of, plain_type
from genrec.schema import Event, History

TYPES = ("view", "purchase", "liked", "Not interested", "already_have")


@pytest.mark.parametrize(
    ("event_type", "grade"),
    [
        ("view", None),
        (None, None),
        ("", None),
        ("Liked", "liked"),
        ("thumbs-down", "not_interested"),
        ("NOT  INTERESTED", "not_interested"),
        ("not_interested_at_all", None),
        ("already have", "already_have"),
    ],
)
def test_grades(event_type, grade):
    assert grade_of(event_type) == grade
    assert plain_type("__Not-Interested ") == "not_interested"


def make(tmp_path, rows, **config):
    lines = ["user_id,item_id,timestamp,event_type", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "events.csv").write_text("\n".join(lines))
    report = prepare(tmp_path / "events.csv", [], tmp_path / "data", PrepareConfig(**config))
    return report, Dataset.load(tmp_path / "data")


@pytest.mark.parametrize("split", ["leave-one-out", "global-time"])
def test_what_is_not_wanted_is_in_no_split(tmp_path, split):
    rows = [(f"u{u}", f"i{(u + n) % 9}", 100 * n + u, TYPES[(u + n) % 5]) for u in range(8)
            for n in range(10)]  # fmt: skip
    report, data = make(tmp_path, rows, split=split)
    assert report.splits["feedback"] == 16 and sum(report.splits.values()) == report.events == 80
    clean, _ = make(tmp_path, [row for row in rows if row[3] != "Not interested"], split=split)
    assert {**clean.splits, "feedback": 16} == report.splits
    _, data = make(tmp_path, rows, split=split)
    histories = list(data.histories("test"))
    assert all(event.event_type != "Not interested" for one in histories for event in one.events)
    assert sum(len(one.events) for one in histories) == 64
    assert len(data.interactions("test").item_index) == 64
    told = {one.user_id: one for one in data.histories("test", feedback=True)}
    for history in histories:
        whole = data.history(history.user_id)
        assert whole == told[history.user_id]
        assert len(whole.events) == 10 and evidence_of(whole) == history
        assert whole.events == tuple(sorted(whole.events, key=lambda event: event.timestamp))


def test_feedback_counts_for_no_core(tmp_path):
    rows = [("a", "x", 1, "view"), ("a", "x", 2, "view"), ("b", "x", 3, "view")]
    rows += [("b", "x", 4, "dislike"), ("a", "y", 5, "dislike"), ("a", "x", 6, "dislike")]
    report, data = make(tmp_path, rows, min_user_events=2, min_item_events=1)
    assert [one.user_id for one in data.histories("test")] == ["a"]
    # Of an item that is not written, nothing is kept.
    assert [item.item_id for item in data.items] == ["x"]
    assert report.splits["feedback"] == 1 and report.events_filtered == 3


def test_a_log_of_nothing_but_dislikes_is_refused(tmp_path):
    with pytest.raises(DataError, match="speaks against its item"):
        make(tmp_path, [("a", "x", 1, "dislike"), ("b", "x", 2, "dislike")])


def test_a_history_without_grades_is_itself():
    history = History("u", (Event("u", "x", 1, "view"),))
    assert evidence_of(history) is history
