"""Searches of a log: read, kept in the order of time, told apart from events, not foreknown."""

import csv

import pytest

from genrec.data import Dataset
from genrec.data.join import join
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import DataError
from genrec.schema import Search

HEADER = "user_id,item_id,timestamp,event_type,text".split(",")
LOG = [
    ["ann", "", 50, "search", "winter socks"],
    ["ann", "socks", 100, "purchase", ""],
    ["ann", "hat", 200, "purchase", ""],
    ["ann", "", 250, "Search", "gloves,\nwarm"],
    ["ann", "coat", 300, "purchase", ""],
    ["ann", "", 300, "search", "at the very second"],
    ["ann", "", 400, "search", "boots"],
    ["bob", "", 10, "search", "nobody knows bob"],
    ["cy", "hat", 10, "view", ""],
    ["cy", "", 20, "search", ""],
    ["", "", 20, "search", "whose?"],
    ["cy", "", 30, "view", "no search"],
]


def write(path, rows, header=HEADER):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def report_and_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searches")
    log = write(folder / "events.csv", LOG)
    report = prepare(log, None, folder / "data", PrepareConfig(max_reject_share=0.5))
    return report, Dataset.load(folder / "data")


def test_every_row_is_accounted_for(report_and_data):
    report, _ = report_and_data
    assert report.event_rejects == {
        "missing user_id": 1,
        "search without text": 1,
        "missing item_id": 1,
    }
    assert (report.searches, report.events, report.event_duplicates) == (5, 4, 0)


def test_a_history_holds_its_searches_and_items_stay_items(report_and_data):
    _, data = report_and_data
    history = data.history("ann")
    assert [search.text for search in history.searches] == [
        *("winter socks", "gloves, warm", "at the very second", "boots")
    ]
    assert [event.item_id for event in history.events] == ["socks", "hat", "coat"]
    assert history.searches_before() == [
        (Search(50, "winter socks"),),
        (),
        (Search(250, "gloves, warm"),),
    ]
    assert [search.text for search in history.open_searches] == ["at the very second", "boots"]
    assert sorted(item.item_id for item in data.items) == ["coat", "hat", "socks"]


def test_an_event_left_out_takes_along_the_search_that_led_to_it(report_and_data):
    _, data = report_and_data
    history = data.history("ann")
    for places, left in (([1], "wgab"), ([2], "wab"), ([0, 2], "ab"), ([0, 1, 2], "ab")):
        kept = history.without(places)
        assert "".join(search.text[0] for search in kept.searches) == left
        assert kept.open_searches == history.open_searches
    assert history.without([]) == history


def test_what_is_asked_knows_no_search_of_later(report_and_data):
    _, data = report_and_data
    (example,) = data.examples("test")
    assert [search.text for search in example.history.searches] == ["winter socks", "gloves, warm"]
    train = {history.user_id: history for history in data.histories("train")}
    assert [search.text for search in train["ann"].searches] == ["winter socks"]
    assert data.history("ann", "valid").searches == example.history.searches


def test_searches_outlive_a_join_with_a_store(report_and_data, tmp_path):
    _, data = report_and_data
    live = dict.fromkeys((*HEADER, "rating", "title", "review"))
    new = live | {"user_id": "cy", "timestamp": 90, "event_type": "search", "text": "a new one"}
    join(data, [[new]], {}, (), (), {}, tmp_path / "joined", PrepareConfig(), {})
    joined = Dataset.load(tmp_path / "joined")
    assert joined.history("ann").searches == data.history("ann").searches
    assert joined.history("cy").searches == (Search(90, "a new one"),)
    join(data, [], {}, ["ann"], (), {}, tmp_path / "without", PrepareConfig(), {})
    assert not Dataset.load(tmp_path / "without").has_searches


@pytest.mark.parametrize(
    ("header", "search", "columns"),
    [
        (
            ("visitor_id", "product_id", "time", "action", "search_term"),
            "search",
            "user_id=visitor_id,item_id=product_id,timestamp=time,event_type=action,text=search_term",
        ),
        (
            ("user_id", "item_id", "timestamp", "event_name", "query"),
            "view_search_results",
            "event_type=event_name,text=query",
        ),
    ],
)
def test_searches_are_found_under_other_names(tmp_path, header, search, columns):
    rows = [
        ["a", "hat", 1, "view", ""],
        ["a", "", 2, search, "red shoes"],
        ["a", "cap", 3, "buy", ""],
    ]
    log = tmp_path / "events.csv"
    log.write_text("\n".join(",".join(map(str, row)) for row in (header, *rows)))
    with pytest.raises(DataError, match=f"--columns {columns}"):
        prepare(log, None, tmp_path / "data")
    config = PrepareConfig(columns=tuple(columns.split(",")))
    prepare(log, None, tmp_path / "data", config)
    assert Dataset.load(tmp_path / "data").history("a").searches == (Search(2, "red shoes"),)


def test_a_log_without_searches_does_not_lose_a_column_called_text(tmp_path):
    log = write(tmp_path / "events.csv", [["ann", "hat", 1, "view", "nice"]])
    with pytest.raises(DataError, match="text"):
        prepare(log, None, tmp_path / "data")
