"""What a look at a file tells, and that the command it gives reads the file."""

import bz2
import gzip
import json
import re
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from genrec.cli import app
from genrec.data import Dataset
from genrec.data.dialects import tell_encoding
from genrec.data.inspect import inspect
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import ConfigError, DataError
from genrec.schema import Event
from tests.data.conftest import all_events

HEADER = "user_id,item_id,timestamp\n"
PLAIN = HEADER + "a,x,1600000000\na,y,1600000100\n"
OBJECTS = [
    {"user_id": "a", "item_id": "x", "timestamp": 1600000000},
    {"user_id": "a", "item_id": "y", "timestamp": 1600000100},
]
TWO = [Event("a", "x", 1600000000), Event("a", "y", 1600000100)]


def through_command(desk, *files):
    """Run the very command that ``inspect`` gives."""
    seen = inspect(files, out=str(desk.out))
    arguments = shlex.split(seen.command)
    assert arguments[0] == "genrec"
    result = CliRunner().invoke(app, arguments[1:])
    assert result.exception is None, (seen.command, result.exception)
    return all_events(Dataset.load(desk.out)), seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "taken"),
    [
        ("blank.csv", "\n\n" + PLAIN, "2 lines before"),
        ("comment.csv", "# by hand\n" + PLAIN, "1 lines"),
        ("cr.csv", HEADER.replace("\n", "\r") + "a,x,1600000000\ra,y,1600000100\r", "carriage"),
        ("sep.csv", "sep=;\nuser_id;item_id;timestamp\na;x;1600000000\na;y;1600000100", "semico"),
        ("trail.csv", HEADER + "a,x,1600000000,\na,y,1600000100,\n", "end of every row"),
        ("case.csv", "User ID,itemId,TIMESTAMP\na,x,1600000000\na,y,1600000100\n", "is user_id"),
        ("ms.csv", HEADER + "a,x,1600000000000\na,y,1600000100999\n", "milliseconds"),
        ("us.csv", HEADER + "a,x,1600000000000000\na,y,1600000100000000\n", "microseconds"),
        ("ns.csv", HEADER + "a,x,1600000000000000000\na,y,1600000100000000000\n", "nanoseconds"),
        ("hive.csv", PLAIN.replace(",", "\x01"), "^A"),
        ("pipes.csv", PLAIN.replace(",", "|"), "pipes"),
        ("single.csv", re.sub(r"([^,\n]+)", r"'\1'", PLAIN), "quoted by '"),
        ("index.csv", ",user_id,item_id,timestamp\n0,a,x,1600000000\n1,a,y,1600000100\n", "pandas"),
        (
            "u.csv",
            "Unnamed: 0,user_id,item_id,timestamp\n0,a,x,1600000000\n1,a,y,1600000100\n",
            "pandas",
        ),
        ("utf16.csv", (PLAIN).encode("utf-16"), "utf-16"),
        ("utf16le.csv", (PLAIN).encode("utf-16-le"), "utf-16-le"),
        ("pretty.json", json.dumps(OBJECTS, indent=2), "JSON"),
        ("one.json", "".join(map(json.dumps, OBJECTS)), "JSON"),
        (
            "dates.csv",
            HEADER + "a,x,13.09.2020 12:26:40\na,y,13.09.2020 12:28:20\n",
            "%d.%m.%Y %H:%M:%S",
        ),
        (
            "mongo.json",
            "".join(
                json.dumps(
                    {
                        "user_id": {"$oid": "a"},
                        "item_id": item,
                        "timestamp": {"$date": {"$numberLong": str(ms)}},
                    }
                )
                + "\n"
                for item, ms in (("x", 1600000000000), ("y", 1600000100000))
            ),
            "milliseconds",
        ),
        (
            "nested.jsonl",
            "".join(
                json.dumps(
                    {
                        "user": {"id": "a"},
                        "item": {"id": row["item_id"]},
                        "timestamp": row["timestamp"],
                    }
                )
                + "\n"
                for row in OBJECTS
            ),
            "user.id is user_id",
        ),
        ("words.txt", PLAIN.replace(",", " "), "spaces between fields"),
        ("us.csv", HEADER + "a,x,09/13/2020 12:26:40 PM\na,y,09/13/2020 12:28:20 PM\n", "%m/%d/%Y"),
    ],
)
def test_what_is_certain_is_taken_and_named(desk, name, content, taken):
    path = desk.write(name, content)
    data, report = desk.prepare(path, max_reject_share=0)
    assert all_events(data) == TWO
    assert taken in ", ".join(report.taken[name])
    events, seen = through_command(desk, path)
    assert events == TWO and not seen.files[0].doubts


@pytest.mark.parametrize(
    ("name", "content", "words", "option"),
    [
        (
            "ml.csv",
            "userId,movieId,timestamp\na,x,1600000000\na,y,1600000100\n",
            "no column 'item_id'",
            "--columns item_id=movieId",
        ),
        (
            "rr.csv",
            "timestamp,visitorid,itemid,basket\n1600000000000,a,x,\n1600000100000,a,y,7\n",
            "no column 'user_id'",
            "--columns user_id=visitorid --ignore-columns basket",
        ),
        (
            "none.csv",
            "a,x,1600000000\na,y,1600000100\n",
            "header seems to be missing",
            "--no-header --columns user_id=1,item_id=2,timestamp=3",
        ),
        (
            "days.csv",
            HEADER + "a,x,1/2/2020\na,y,3/2/2020\n",
            "day or month may come first",
            "--day-first",
        ),
        ("latin.csv", HEADER + "é,x,1600000000\né,y,1600000100\n", None, ""),
        (
            "latin.csv",
            (HEADER + "très,x,1600000000\ntrès,y,1600000100\n").encode("latin-1"),
            "not UTF-8 and may be cp1252",
            "--encoding cp1252",
        ),
        (
            "lone.csv",
            (HEADER + "ß & co,x,1600000000\nß & co,y,1600000100\n").encode("latin-1"),
            "not UTF-8 and may be cp1252",
            "--encoding cp1252",
        ),
        *(
            (
                f"{encoding}.csv",
                (HEADER + f"{word},x,1600000000\n{word},y,1600000100\n").encode(encoding),
                f"not UTF-8 and may be {encoding}",
                f"--encoding {encoding}",
            )
            for encoding, word in (
                ("cp1251", "Очень хорошая"),
                ("koi8_r", "Очень хорошая"),
                ("cp1253", "Πολύ καλό βιβλίο"),
                ("cp932", "とても良い本"),
            )
        ),
        (
            "iso.csv",
            "a,x,2020-09-13 12:26:40,4\na,y,2020-09-13 12:28:20,5\n",
            "header seems to be missing",
            "--no-header --columns user_id=1,item_id=2,timestamp=3,rating=4",
        ),
        (
            "spaces.txt",
            "a  x   1600000000\na  y   1600000100\n",
            "header seems to be missing",
            "--no-header --columns user_id=1,item_id=2,timestamp=3",
        ),
        (
            "datum.csv",
            "user_id|item_id|Bestell-ID|Datum\na|x|12|13.09.2020\na|y|13|14.09.2020\n",
            "no column 'timestamp'",
            "--columns timestamp=Datum",
        ),
        ("nots.csv", "user_id,item_id\na,x\na,y\n", "no column 'timestamp'", "--order file"),
    ],
)
def test_what_is_not_certain_is_refused_with_the_option_that_says_it(
    desk, name, content, words, option
):
    path = desk.write(name, content)
    if words is not None:
        with pytest.raises(DataError) as caught:
            prepare(path, None, desk.out, PrepareConfig())
        assert words in str(caught.value) and option in str(caught.value)
    events, seen = through_command(desk, path)
    assert [event.item_id for event in events] == ["x", "y"]
    assert option in seen.command
    assert bool(seen.files[0].doubts) == (words is not None)


def test_one_letter_in_each_line_is_enough_for_a_guess():
    lines = [f"é{n:03d},{n % 10:02d},{1_600_000_000 + 7919 * n}" for n in range(150)]
    assert tell_encoding("\n".join([HEADER.strip(), *lines]).encode("latin-1"))[2] == "cp1252"


def test_bytes_of_no_known_encoding_are_refused_with_the_option(desk):
    rng = np.random.default_rng(0)
    noise = [bytes(rng.integers(128, 256, 40, dtype=np.uint8)) for _ in range(20)]
    rows = b"".join(each + b",x,1600000000\n" for each in noise)
    path = desk.write("odd.csv", HEADER.encode() + rows)
    with pytest.raises(DataError, match=r"no other encoding can be guessed.*--encoding"):
        prepare(path, None, desk.out, PrepareConfig())


def test_every_option_is_a_setting(desk):
    path = desk.write(
        "e.txt", "wer|was|wann|note\n'a|b'|x|01.02.2020 00:00|4,5\n'-'|y|01.02.2020 00:00|\n"
    )
    data, report = desk.prepare(
        path,
        columns="user_id=WER,item_id=was,timestamp=wann,rating=note",
        delimiter="|",
        quote="'",
        escape="none",
        decimal=",",
        time_format="%d.%m.%Y %H:%M",
        time_zone="Europe/Berlin",
        null_words="-",
        encoding="ascii",
    )
    assert all_events(data) == [Event("a|b", "x", 1580511600, rating=4.5)]
    assert report.event_rejects == {"missing user_id": 1}
    assert report.repaired["decimal comma"]["count"] == 1
    assert report.repaired["word for a missing value"]["count"] == 1


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"encoding": "klingon"}, "not an encoding"),
        ({"time_zone": "Mars"}, "not a time zone"),
        ({"time_format": "dd.mm"}, "strptime"),
        ({"columns": "user=x"}, "ours=theirs"),
        ({"quote": "''"}, "one character"),
        ({"no_repair": "everything"}, "html"),
        ({"delimiter": ""}, "no line end"),
    ],
)
def test_settings_that_make_no_sense(setting, words):
    with pytest.raises(ValueError, match=words):
        PrepareConfig(**setting)


def test_a_column_that_is_not_there_is_named(desk):
    path = desk.write("e.csv", HEADER + "a,x,1\n")
    with pytest.raises(DataError, match="no file has a column 'visitor'"):
        desk.prepare(path, columns="user_id=visitor")


def test_parts_folders_globs_and_several_gzip_members(desk):
    folder = desk.root / "log"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    desk.write("log/part-10.csv.gz", HEADER + "a,y,1600000100\n")
    (folder / "part-2.csv.gz").write_bytes(
        gzip.compress(HEADER.encode()) + gzip.compress(b"a,x,1600000000\n")
    )
    assert all_events(desk.prepare(folder)[0]) == TWO
    assert all_events(desk.prepare(str(folder / "part-*.csv.gz"))[0]) == TWO
    assert through_command(desk, folder)[0] == TWO
    # As `split` cuts a file: only the first part has a header.
    first = desk.write("xaa", HEADER + "a,x,1600000000\n")
    second = desk.write("xab", "a,y,1600000100\n")
    assert all_events(desk.prepare([first, second])[0]) == TWO


@pytest.mark.parametrize(
    ("field", "review"),
    [
        ('say \\"wow\\"', 'say "wow"'),
        ('"say \\"wow\\", he"', 'say "wow", he'),
        ('"say ""wow"", he"', 'say "wow", he'),
        ('"in C:\\tea\\"', "in C:\\tea\\"),
    ],
)
def test_quotes_in_a_text_are_read_as_they_were_written(desk, field, review):
    header = "user_id,item_id,timestamp,review\n"
    path = desk.write("quotes.csv", f"{header}a,x,1600000000,{field}\na,y,1600000100,fine\n")
    assert [event.review for event in all_events(desk.prepare(path)[0])] == [review, "fine"]
    assert [event.review for event in through_command(desk, path)[0]] == [review, "fine"]


@pytest.mark.parametrize("packed", ["gz", "bz2", "xz", "zst"])
def test_compressions(desk, packed):
    import lzma

    content = (PLAIN).encode()
    pack = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    }[packed]
    path = desk.write(f"events.{packed}", b"")
    path.write_bytes(pack(content))
    assert all_events(desk.prepare(path)[0]) == TWO


def test_types_of_warehouses(desk):
    from datetime import date, datetime
    from decimal import Decimal

    table = pa.table(
        {
            "user_id": pa.array([Decimal(1), Decimal(2)], pa.decimal128(38, 0)),
            "item_id": pa.array([b"x", b"y"], pa.binary()),
            "timestamp": pa.array(
                [datetime(2020, 9, 13, 12, 26, 40), datetime(2020, 9, 13, 12, 28, 20)],
                pa.timestamp("ns", tz="America/New_York"),
            ),
            "rating": pa.array([4.5, None], pa.float32()),
            "event_type": pa.array(["view", "buy"]).dictionary_encode(),
            "__index_level_0__": pa.array([0, 1]),
        }
    )
    expected = [
        Event("1", "x", 1600000000, "view", rating=4.5),
        Event("2", "y", 1600000100, "buy"),
    ]
    pq.write_table(table, desk.root / "e.parquet")
    assert all_events(desk.prepare(desk.root / "e.parquet")[0]) == expected
    pa.feather.write_feather(table, desk.root / "e.feather")
    assert all_events(desk.prepare(desk.root / "e.feather")[0]) == expected
    folder = desk.root / "day=2020-09-13"
    folder.mkdir()
    pq.write_table(table.drop_columns(["__index_level_0__"]), folder / "part-0.parquet")
    assert all_events(desk.prepare(desk.root / "day=2020-09-13")[0]) == expected
    days = table.set_column(2, "timestamp", pa.array([date(2020, 9, 13)] * 2))
    pq.write_table(days, desk.root / "d.parquet")
    assert {e.timestamp for e in all_events(desk.prepare(desk.root / "d.parquet")[0])} == {
        1599955200
    }
    items = pa.table({"item_id": ["x", "y"], "categories": [["A", "B"], None]})
    pq.write_table(items, desk.root / "i.parquet")
    data, _ = desk.prepare(desk.root / "e.parquet", desk.root / "i.parquet")
    assert [item.categories for item in data.items] == [("A", "B"), ()]


def test_excel(desk, monkeypatch):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("openpyxl")
    pytest.importorskip("python_calamine")
    frame = pandas.DataFrame(
        {"user_id": ["a", "a"], "item_id": ["x", "y"], "timestamp": [1600000000, 1600000100]}
    )
    path = desk.root / "e.xlsx"
    frame.to_excel(path, index=False)
    assert all_events(desk.prepare(path)[0]) == TWO
    monkeypatch.setitem(__import__("sys").modules, "python_calamine", None)
    with pytest.raises(ConfigError, match=r"genrec\[excel\]"):
        desk.prepare(path)


def test_item_files_keep_what_they_certainly_are(desk):
    events = desk.write(
        "e.csv", "wer;was;wann\na;é1;1600000000\na;é2;1600000100\n".encode("latin-1")
    )
    items = desk.write("i.csv", "item_id,title\né1,Thé\né2,Café\n")
    data, _ = desk.prepare(
        events,
        items,
        encoding="latin-1",
        delimiter=";",
        columns="user_id=wer,item_id=was,timestamp=wann",
    )
    assert [item.title for item in data.items] == ["Thé", "Café"]


def test_the_newest_event_before_1990_is_a_warning(desk):
    path = desk.write("e.csv", HEADER + "a,x,15949\na,y,15950\n")
    _, report = desk.prepare(path)
    assert "counters or days" in " ".join(report.warnings)
    data, report = desk.prepare(path, time_unit="days")
    assert report.warnings == [] and all_events(data)[0].timestamp == 15949 * 86400


@pytest.mark.parametrize(
    ("times", "unit", "first"),
    [(("18518", "18519"), "days", 1599955200), (("44087.5", "44088"), "excel-days", 1599998400)],
)
def test_days_are_proposed_where_numbers_may_be_days(desk, times, unit, first):
    path = desk.write("days.csv", HEADER + f"a,x,{times[0]}\na,y,{times[1]}\n")
    assert "counters or days" in " ".join(desk.prepare(path)[1].warnings)
    assert all_events(desk.prepare(path, time_unit=unit)[0])[0].timestamp == first
    assert f"--time-unit {unit}" in inspect([path]).command


def test_a_list_within_one_object_is_named(desk):
    path = desk.write("e.json", json.dumps({"count": 2, "data": OBJECTS}))
    with pytest.raises(DataError, match="the list 'data'"):
        desk.prepare(path)


def test_structs_of_parquet_are_columns(desk):
    path = desk.root / "e.parquet"
    rows = [
        {"user": {"id": "a"}, "item": {"id": x, "at": {"shop": 1}}, "timestamp": t}
        for x, t in (("x", 1600000000), ("y", 1600000100))
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    data, _ = desk.prepare(path, ignore_columns="item.at.shop")
    assert all_events(data) == TWO


def test_parts_without_rows_are_passed_over(desk):
    folder = desk.root / "parts"
    folder.mkdir()
    (folder / "part-0.csv").write_text(HEADER)
    (folder / "part-1.csv").write_text(PLAIN)
    (folder / "part-2.csv").write_text("")
    events, seen = through_command(desk, folder)
    assert events == TWO and seen.files[0].kind == "event"
    with pytest.raises(DataError, match=r"part-0\.csv holds no rows"):
        inspect([folder / "part-0.csv"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('user_id,about\na,"I bake, and hike"\n', "I bake, and hike"),
        ("customer,bio,town\na,I bake,Oslo\n", "I bake · town: Oslo"),
        ("user_id,about,joined\na,I bake,2020-01-01\n", "I bake · joined: 2020-01-01"),
    ],
)
def test_a_file_of_users_is_told_from_events_and_items(desk, content, said):
    items = '{"item_id": "x", "title": "A"}\n{"item_id": "y", "title": "B"}\n'
    files = [
        desk.write("items.jsonl", items),
        desk.write("who.csv", content),
        desk.write("log.csv", PLAIN),
    ]
    events, seen = through_command(desk, *files)
    assert [file.kind for file in seen.files] == ["event", "item", "user"]
    assert events == TWO and Dataset.load(desk.out).descriptions == {"a": said}


def test_columns_ignored_of_events_stay_with_the_items(desk):
    events = desk.write(
        "e.csv", "user_id,item_id,timestamp,price\na,x,1600000000,3\na,y,1600000100,4\n"
    )
    items = desk.write("i.csv", "item_id,title,price\nx,X,3.5\ny,Y,4.5\n")
    prepare(events, items, desk.out, PrepareConfig(ignore_columns=("price",)))
    assert [item.attributes["price"] for item in Dataset.load(desk.out).items] == ["3.5", "4.5"]


@pytest.mark.parametrize(
    "written",
    ["20200101T100000Z", "Wed, 01 Jan 2020 10:00:00 GMT", "Wed Jan 01 10:00:00 UTC 2020"],
)
def test_a_time_that_says_it_is_utc_is_of_no_other_zone(desk, written):
    path = desk.write("e.csv", f'{HEADER}a,x,"{written}"\na,y,"{written}"\n')
    prepare(path, None, desk.out, PrepareConfig(time_zone="Europe/Berlin"))
    assert {e.timestamp for e in all_events(Dataset.load(desk.out))} == {1_577_872_800}


@pytest.mark.parametrize("name", ["part[1].parquet", "ev*.parquet", "a?.parquet"])
def test_a_path_of_parquet_is_no_pattern(desk, name):
    for file, user in ((name, "B"), (re.sub(r"[\[\]*?]", "", name), "A")):
        rows = {"user_id": [user] * 2, "item_id": ["x", "y"], "timestamp": [1_600_000_000] * 2}
        pq.write_table(pa.table(rows), desk.write(file, ""))
    prepare(desk.out.parent / name, None, desk.out, PrepareConfig())
    assert {e.user_id for e in all_events(Dataset.load(desk.out))} == {"B"}


@pytest.mark.parametrize(
    "setting",
    [{"time_format": "%F %T %Q"}, {"encoding": "base64"}, {"encoding": "rot13"}],
)
def test_formats_and_encodings_that_cannot_be_used_are_refused(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        PrepareConfig(**setting)


def test_a_file_that_is_not_of_its_encoding_is_one_clear_line(desk):
    path = desk.write("e.csv", HEADER + "a,x,1600000000\na,y,1600000100\n")
    with pytest.raises(DataError, match="another encoding"):
        prepare(path, None, desk.out, PrepareConfig(encoding="utf-16"))
