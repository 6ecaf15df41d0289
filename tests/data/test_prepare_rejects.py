"""Rows and files that cannot be used: told by number and reason, and never a crash."""

import gzip
import json

import pytest

from genrec.data import lines
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import ArtifactError, ConfigError, DataError

HEADER = "user_id,item_id,timestamp,rating,review\n"
GOOD = "u,i,1,5,fine\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",i,1,5,", "missing user_id"),
        ("  ,i,1,5,", "missing user_id"),
        ("u,\x00,1,5,", "missing item_id"),
        ("u,i,,5,", "missing timestamp"),
        ("u,i,yesterday,5,", "unreadable timestamp"),
        ("u,i,NaN,5,", "missing timestamp"),
        ("u,i,inf,5,", "unreadable timestamp"),
        ("u,i,infinity,5,", "unreadable timestamp"),
        ("u,i,2014-13-01,5,", "unreadable timestamp"),
        ("u,i,-1,5,", "negative timestamp"),
        ("u,i,1969-12-31,5,", "negative timestamp"),
        ("u,i,1404604800000,5,", "timestamp after the year 9999 (milliseconds?)"),
        ("u,i,1e300,5,", "timestamp after the year 9999 (milliseconds?)"),
        ("u,i,1,good,", "rating is not a number"),
        ("u,i,1,-inf,", "rating is not a number"),
        ("u,i,1,0.5,", "rating out of range"),
        ("u,i,1,6,", "rating out of range"),
        ("u,unheard,1,5,", "unknown item"),
        ("u,i,1,5", "malformed line"),
        ("u,i,1,5,fine,more", "malformed line"),
        ('u,i,1,5,"never closed', "malformed line"),
        ('u,i,1,5,"closed"early', "malformed line"),
        ("u,i,1,5,one\rtwo", "malformed line"),
        ("u,i,1,5," + "x" * 300, "line too long"),
        (b"u,i,1,5,caf\xe9", "wrong encoding"),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_bad_row_is_told_and_takes_no_other_with_it(desk, row, reason, ending):
    bad = row if isinstance(row, bytes) else row.encode()
    content = (HEADER + "u,i,0,5,before\n").encode() + bad + (ending + GOOD).encode()
    events = desk.write("events.csv", content)
    items = desk.write("items.csv", "item_id\ni\n")
    data, report = desk.prepare(events, items, max_line_bytes=200, min_rating=1, max_rating=5)
    assert desk.rejects == [("events.csv", 3, reason)]
    assert report.event_rejects == {reason: 1}
    assert [event.review for event in data.history("u").events] == ["before", "fine"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"item_id": "i", "timestamp": 1}', "missing user_id"),
        ('{"user_id": null, "item_id": "i", "timestamp": 1}', "missing user_id"),
        ('{"user_id": ["u"], "item_id": "i", "timestamp": 1}', "missing user_id"),
        ('{"user_id": NaN, "item_id": "i", "timestamp": 1}', "missing user_id"),
        ('{"user_id": "u", "item_id": "i", "timestamp": NaN}', "missing timestamp"),
        ('{"user_id": "u", "item_id": "i", "timestamp": true}', "unreadable timestamp"),
        ('{"user_id": "u", "item_id": "i", "timestamp": {}}', "unreadable timestamp"),
        (
            '{"user_id": "u", "item_id": "i", "timestamp": 1, "rating": "x"}',
            "rating is not a number",
        ),
        ('{"user_id": "u", "item_id": "i", "timestamp": 1', "malformed line"),
        ('["u", "i", 1]', "malformed line"),
        ("[" * 100_000, "malformed line"),
        ("{'user_id': open('x'), 'item_id': 'i'}", "malformed line"),
        ('{"user_id": "u", "item_id": "i", "timestamp": ' + "9" * 5000 + "}", "malformed line"),
        ('{"user_id": "u", "item_id": "i", "timestamp": 1, "review": "\\ud83d"}', "wrong encoding"),
        (b'{"user_id": "\xff", "item_id": "i", "timestamp": 1}', "wrong encoding"),
    ],
)
def test_a_bad_json_line_is_told(desk, row, reason):
    good = '{"user_id": "u", "item_id": "i", "timestamp": 1, "review": "\\ud83d\\ude00"}\n'
    bad = row if isinstance(row, bytes) else row.encode()
    events = desk.write("events.jsonl.gz", good.encode() + b"\n" + bad + b"\n")
    data, _ = desk.prepare(events)
    assert desk.rejects == [("events.jsonl.gz", 3, reason)]
    assert [event.review for event in data.history("u").events] == ["😀"]


def test_bad_items_are_told(desk):
    events = desk.write("events.csv", "user_id,item_id,timestamp\nu,i,1\n")
    items = desk.write(
        "items.jsonl",
        [
            {"item_id": "i", "title": "First"},
            {"title": "Nameless"},
            {"item_id": "i", "title": "First"},
            {"item_id": "i", "title": "Second"},
        ],
    )
    data, report = desk.prepare(events, items)
    assert [item.title for item in data.items] == ["First"]
    assert desk.rejects == [
        ("items.jsonl", 2, "missing item_id"),
        ("items.jsonl", 4, "repeated item_id"),
    ]
    assert report.item_duplicates == 1
    assert report.item_rows == report.items + 1 + sum(report.item_rejects.values())


def test_line_numbers_count_the_lines_of_the_file(desk):
    records = [
        'u,i,1,5,"two\nlines"',
        "",
        "u,i,2,bad,",
        'u,i,3,5,"open',
        "u,i,4,5,fine",
        'u,i,5,5,"three\nlines\nhere"',
        "u,i,x,5,",
    ]
    events = desk.write("events.csv", HEADER + "\n".join(records) + "\n")
    data, _ = desk.prepare(events)
    assert desk.rejects == [
        ("events.csv", 5, "rating is not a number"),
        ("events.csv", 6, "malformed line"),
        ("events.csv", 11, "unreadable timestamp"),
    ]
    assert [event.timestamp for event in data.history("u").events] == [1, 4, 5]


@pytest.mark.parametrize("size", [16, 61, 1 << 20])
def test_chunks_do_not_matter(desk, monkeypatch, size):
    monkeypatch.setattr(lines, "CHUNK_BYTES", size)
    rows = [f'u{n % 7},i{n % 5},{n},5,"say ""{n}""\nand\nmore"\n' for n in range(50)]
    rows[20] = f'u,i,1,5,"{"x" * 1000}\n'
    rows[30] = 'u,i,1,5,"open\n'
    events = desk.write("events.csv.gz", HEADER + "".join(rows))
    data, report = desk.prepare(events, max_line_bytes=300)
    # Rows 0 to 19 take three lines each, from line 2 on; 20 and 30 take one.
    assert desk.rejects == [
        ("events.csv.gz", 62, "line too long"),
        ("events.csv.gz", 90, "malformed line"),
    ]
    assert report.events == 48
    assert {event.review for event in data.history("u1").events} >= {'say "1" and more'}


def test_an_overlong_line_is_never_held(desk, monkeypatch):
    longest = 0
    decode = lines.Block.decode

    def watch(block):
        nonlocal longest
        longest = max(longest, *map(len, block.data.split(b"\n")))
        return decode(block)

    monkeypatch.setattr(lines.Block, "decode", watch)
    path = desk.root / "events.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEADER.encode() + b"u,i,1,5,")
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + GOOD.encode())
    desk.prepare(path)
    assert desk.rejects == [("events.csv.gz", 2, "line too long")]
    assert longest == PrepareConfig().max_line_bytes + 1


def test_excerpts_are_short_and_readable(desk):
    events = desk.write("events.csv", HEADER + "u,i,never,5," + "x" * 5000 + "\n" + GOOD)
    desk.prepare(events)
    with gzip.open(desk.out / "rejects.jsonl.gz", "rt") as file:
        row = json.loads(file.readline())
    assert row["excerpt"].startswith("u,i,never,5") and len(row["excerpt"]) < 300


def failure(desk, events, items=None, **config) -> str:
    """Prepare what cannot be prepared; return the message."""
    with pytest.raises(DataError) as caught:
        prepare(events, items, desk.out, PrepareConfig(**config))
    assert desk.leftovers == set()
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_too_many_rejects_stop_the_run(desk):
    rows = [GOOD] * 90 + ["u,i,never,5,\n"] * 6 + ["u,i,1,bad,\n"] * 4
    events = desk.write("events.csv", HEADER + "".join(rows))
    message = failure(desk, events, max_reject_share=0.09)
    assert "10 of 100 event rows" in message
    assert "unreadable timestamp" in message and "line 92" in message
    prepare(events, None, desk.out, PrepareConfig(max_reject_share=0.1))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("events.csv", "", "is empty"),
        ("events.csv.gz", "", "is empty"),
        ("events.csv", HEADER, "no event is left"),
        ("events.csv", "\n\n", "first line must name the columns"),
        ("events.csv", b"user\xff,item_id\n1,2\n", "are not UTF-8 and may be cp1252"),
        ("events.csv", "user,item_id,timestamp\nu,i,1\n", "no column 'user_id' (found: user,"),
        (
            "events.jsonl",
            '{"user_id": 1, "time": 2}\n',
            "no column 'item_id' (found: user_id, time)",
        ),
        (
            "events.csv",
            "user_id,item_id,timestamp,ratings\nu,i,1,5\n",
            "unknown column 'ratings' (found: user_id, item_id, timestamp, ratings;",
        ),
        ("events.csv", "user_id,user_id,timestamp\nu,i,1\n", "the column 'user_id' twice"),
        ("events.json", '[{"user_id": 1}]', "no column 'item_id'"),
        ("events.csv", b"\xff\xfeu\x00\n\x00", "no event is left"),
        ("events.zst", b"\x28\xb5\x2f\xfd1234", "damaged zstd"),
        ("events.bz2", b"BZh91AY&SYxx", "damaged bzip2"),
        ("events.avro", b"Obj\x01abc", "Avro"),
        ("events.sql", "-- MySQL dump 10.13\nINSERT INTO `e` VALUES (1,2,3);\n", "SQL"),
        ("events.csv", "<!DOCTYPE html><html>no access</html>", "HTML"),
        ("events.zip", b"PK\x03\x04abc", "zip"),
        ("events.parquet", b"PAR1 no parquet", "damaged Parquet"),
        (
            "events.csv",
            gzip.compress(HEADER.encode() * 99, mtime=0)[:-20],
            "truncated or damaged gzip",
        ),
        ("events.csv", gzip.compress(HEADER.encode(), mtime=0)[:-8] + b"00000000", "damaged gzip"),
    ],
)
def test_an_unusable_file_is_told_in_one_line(desk, name, content, words):
    events = desk.write(name, content)
    message = failure(desk, events)
    assert words in message
    if "no event" not in words:
        assert name in message


def test_missing_files_and_folders(desk):
    events = desk.write("events.csv", HEADER + GOOD)
    assert "does not exist" in failure(desk, desk.root / "nothing.csv")
    (desk.root / "empty").mkdir()
    assert "names no data file" in failure(desk, desk.root / "empty")
    assert "no column 'item_id'" in failure(desk, events, desk.write("items.csv", "asin\ni\n"))
    assert "name at least one" in failure(desk, [])
    assert "unknown item" in failure(desk, events, desk.write("items.csv", "item_id\nj\n"))


def test_columns_to_ignore(desk):
    events = desk.write("events.csv", "user_id,item_id,timestamp,price\nu,i,1,9.99\n")
    assert "ignore_columns" in failure(desk, events)
    data, _ = desk.prepare(events, ignore_columns=("price",))
    assert len(data.history("u").events) == 1


def test_what_was_there_stays_on_failure(desk):
    events = desk.write("events.csv", HEADER + GOOD)
    data, _ = desk.prepare(events)
    with pytest.raises(DataError):
        prepare(desk.root / "nothing.csv", None, desk.out)
    assert len(data.history("u").events) == 1
    assert desk.leftovers == {"out"}

    (desk.root / "precious").mkdir()
    desk.write("precious/thesis.txt", "words")
    with pytest.raises(ArtifactError):
        prepare(events, None, desk.root / "precious")
    assert [path.name for path in (desk.root / "precious").iterdir()] == ["thesis.txt"]


def test_a_memory_limit_that_is_too_small_is_named(desk):
    rows = "".join(f"u{n},i{n},{n},5,{'word ' * 40}{n}\n" for n in range(30_000))
    events = desk.write("events.csv", HEADER + rows)
    with pytest.raises(ConfigError, match="memory_limit 1MB is too small"):
        prepare(events, None, desk.out, PrepareConfig(memory_limit="1MB"))
    assert desk.leftovers == set()


@pytest.mark.parametrize(
    "settings",
    [
        {"format": "netflix"},
        {"valid_share": 0.5, "test_share": 0.5},
        {"memory_limit": "much"},
        {"max_reject_share": 2},
        {"colour": "red"},
    ],
)
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match=next(iter(settings)) + "|stay below 1"):
        PrepareConfig(**settings)
