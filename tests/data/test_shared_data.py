"""The real sets, against the counts their own SOURCE.md states."""

import csv
import gzip
import re

import pytest

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.data.splits import MOST_VALID_EVENTS, MOST_VALID_USERS

SETS = [
    "amazon14_beauty",
    "amazon14_sports",
    "amazon18_scientific",
    "amazon18_gift_cards",
    "amazon18_all_beauty",
    "ml100k",
]


def source_counts(folder):
    text = (folder / "SOURCE.md").read_text(encoding="utf-8")
    line = re.search(r"^Counts: (.*)", text, re.MULTILINE).group(1)
    users, with_events, items, events = (
        int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", line)
    )
    return {"users": users, "items_with_events": with_events, "items": items, "rows": events}


def file_rows(folder):
    with gzip.open(folder / "events.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


@pytest.fixture(scope="module")
def prepared(shared_data, tmp_path_factory):
    """A maker of prepared sets, each made once."""
    made = {}

    def make(name):
        if name not in made:
            out = tmp_path_factory.mktemp(name) / "data"
            folder = shared_data / name
            report = prepare(
                folder / "events.csv.gz", folder / "items.jsonl.gz", out, PrepareConfig()
            )
            made[name] = Dataset.load(out), report
        return made[name]

    return make


@pytest.mark.parametrize("name", SETS)
def test_counts(prepared, shared_data, name):
    data, report = prepared(name)
    counts = source_counts(shared_data / name)
    assert report.event_rows == counts["rows"]
    assert report.event_rejects == report.item_rejects == {}
    distinct = set(map(tuple, file_rows(shared_data / name)))
    assert report.events == len(distinct)
    assert report.event_duplicates == counts["rows"] - len(distinct)
    for kind in ("users", "items", "items_with_events"):
        assert getattr(report, kind) == counts[kind]
    assert len(data.items) == counts["items"]
    assert sum(1 for _ in data.histories("test")) == counts["users"]


@pytest.mark.parametrize("name", ["amazon14_beauty", "amazon18_scientific"])
def test_targets_are_the_last_rows_of_each_user_in_the_file(prepared, shared_data, name):
    data, _ = prepared(name)
    in_file = {}
    for user_id, item_id, _ in file_rows(shared_data / name):
        in_file.setdefault(user_id, []).append(item_id)
    for split, back in (("test", -1), ("valid", -2)):
        users = 0
        for example in data.examples(split):
            items = in_file[example.history.user_id]
            assert [event.item_id for event in example.history.events] == items[:back]
            assert [event.item_id for event in example.targets] == [items[back]]
            users += 1
        events = sum(len(items) for items in in_file.values())
        drawn = min(MOST_VALID_USERS, int(MOST_VALID_EVENTS * events))
        assert users == (len(in_file) if split == "test" else drawn)
    assert [history.user_id for history in data.histories("train")] == list(in_file)


def test_reviews_are_clean(prepared):
    for name in ("amazon18_all_beauty", "amazon18_gift_cards"):
        data, report = prepared(name)
        assert bool(report.event_duplicates) == (name == "amazon18_all_beauty")
        texts = [
            text
            for history in data.histories("test")
            for event in history.events
            for text in (event.title, event.review)
            if text
        ]
        assert len(texts) > 1000
        assert not any(re.search(r"&(amp|quot|lt|gt|#\d+);|[\x00-\x1f]", text) for text in texts)


def test_global_time_on_real_times(shared_data, tmp_path):
    folder = shared_data / "ml100k"
    config = PrepareConfig(split="global-time", valid_share=0.1, test_share=0.1)
    report = prepare(folder / "events.csv.gz", folder / "items.jsonl.gz", tmp_path / "data", config)
    assert report.splits == pytest.approx(
        {"train": 80_000, "valid": 10_000, "test": 10_000}, abs=50
    )
    data = Dataset.load(tmp_path / "data")
    start = report.split_starts["test"]
    examples = list(data.examples("test"))
    assert examples
    for example in examples:
        assert max(event.timestamp for event in example.history.events) < start
        assert min(event.timestamp for event in example.targets) >= start
