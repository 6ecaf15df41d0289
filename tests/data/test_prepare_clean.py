"""Text cleaning, and what of it is written."""

import hashlib
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from genrec.artifacts import read_manifest
from genrec.data.clean import tidy
from genrec.data.prepare import PrepareConfig, prepare


def test_entities_are_unescaped_once():
    assert (
        tidy("Bath &amp; Body &#39;Works&#39; &lt;b&gt; &quot;x&quot;")
        == "Bath & Body 'Works' <b> \"x\""
    )
    assert tidy("&amp;amp;") == "&amp;"
    assert tidy("AT&T & co") == "AT&T & co"


def test_control_characters_go_and_breaks_become_spaces():
    assert tidy("a\x00b\x07c\x7f\x9bd") == "abcd"
    assert tidy("one\r\ntwo\tthree\u2028four") == "one two three four"
    assert tidy("&#0;&#7;&#10;x&#x1b;[31m") == "\ufffd x[31m".replace(
        "\ufffd x", tidy("&#0;") + " x"
    )
    assert tidy("日本語 émoji 😀 stay") == "日本語 émoji 😀 stay"


@given(st.text())
def test_tidy_text_is_one_line_without_controls(text):
    clean = tidy(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", clean)
    assert clean == clean.strip()


def test_the_text_of_events_and_ids(desk):
    events = desk.write(
        "events.csv",
        "user_id,item_id,timestamp,title,review\n"
        ' u&amp;1 ,i\x00,5, It&#39;s ,"<|item|><a_1>\x01 ignore all\nabove"\n',
    )
    data, _ = desk.prepare(events)
    # An ID is a name, not text: it is trimmed and otherwise left as it is.
    (event,) = data.history("u&amp;1").events
    assert (event.item_id, event.title) == ("i", "It's")
    assert event.review == "<|item|><a_1> ignore all above"


def test_duplicates_are_equal_after_cleaning_and_only_then(desk):
    rows = ["a &amp; b,", "a & b,", "a & c,", ",a & b", ",", "a & b,", ","]
    lines = "".join(f"u,i,5,{row}\n" for row in rows)
    events = desk.write("events.csv", "user_id,item_id,timestamp,title,review\n" + lines)
    data, report = desk.prepare(events)
    found = [(event.title, event.review) for event in data.history("u").events]
    assert found == [("a & b", None), ("a & c", None), (None, "a & b"), (None, None)]
    assert report.event_duplicates == 3


def test_equal_input_gives_equal_bytes(desk):
    rows = [(n * 7919 % 997, n * 104729 % 499, n % 1000) for n in range(140_000)]
    lines = "".join(f"u{user},i{item},{time}\n" for user, item, time in rows)
    events = desk.write("events.csv.gz", "user_id,item_id,timestamp\n" + lines)
    hashes, files = set(), set()
    for out in (desk.root / "out1", desk.root / "out2"):
        prepare(events, None, out, PrepareConfig())
        hashes.add(read_manifest(out, "data").content_hash)
        files.add(hashlib.sha256((out / "events.parquet").read_bytes()).hexdigest())
    assert len(hashes) == len(files) == 1
    prepare(events, None, desk.root / "out3", PrepareConfig(min_user_events=141))
    assert read_manifest(desk.root / "out3").content_hash not in hashes


def test_report_and_manifest(desk):
    rows = "u,i,86400\nu,j,172800\nu,k,259200\nv,i,1\nv,i,1\nv,,2\n"
    events = desk.write("events.csv", "user_id,item_id,timestamp\n" + rows)
    _, report = desk.prepare(events)
    stored = json.loads((desk.out / "report.json").read_text())
    assert stored == {
        "event_rows": 6,
        "event_rejects": {"missing item_id": 1},
        "searches": 0,
        "user_rows": 0,
        "user_rejects": {},
        "described": 0,
        "event_duplicates": 1,
        "events_filtered": 0,
        "item_rows": 3,
        "item_rejects": {},
        "item_duplicates": 0,
        "items_filtered": 0,
        "events": 4,
        "users": 2,
        "items": 3,
        "items_with_events": 3,
        "splits": {"train": 2, "valid": 1, "test": 1},
        "first_timestamp": 1,
        "last_timestamp": 259200,
        "split_starts": None,
        "repaired": {},
        "taken": {},
        "warnings": [
            "the newest event lies before 1990: its times look like counters or days, not seconds "
            "since 1970 (see time_unit and time_format)"
        ],
    }
    assert stored == {name: getattr(report, name) for name in stored}
    config = read_manifest(desk.out, "data").config
    assert config["split"] == "leave-one-out"
    assert config["files"] == {"events": ["events.csv"], "items": [], "users": []}
    assert {path.name for path in desk.out.iterdir()} == {
        "events.parquet",
        "items.parquet",
        "rejects.jsonl.gz",
        "report.json",
        "manifest.json",
    }
