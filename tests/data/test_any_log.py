"""Random logs in random forms, read back equal; files of any kind against other readers; mutations.

By hand, with more examples: GENREC_EXAMPLES=1000 pytest tests/data/test_any_log.py
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import random
import resource
import shlex
import time
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from genrec.cli import app
from genrec.data import Dataset
from genrec.data.inspect import inspect
from genrec.data.prepare import PrepareConfig, prepare
from genrec.errors import GenrecError
from tests.data.conftest import all_events

EXAMPLES = int(os.environ.get("GENREC_EXAMPLES", "12"))
MANY = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)

WORDS = [
    "very good",
    "très bien",
    "señor",
    'say "wow"',
    "a, b; c|d",
    "two\nlines",
    "it's",
    "ß & co",
]
ROW = st.tuples(
    st.sampled_from(["u1", "u2", "A-7", "ünal", "42", "x y"]),
    st.sampled_from(["B000", "B001", "007", "7", "i/3"]),
    st.integers(1_000_000_000, 1_700_000_000),
    st.sampled_from([None, 1.0, 4.5, 5.0]),
    st.sampled_from([None, *WORDS]),
)
NAMES = st.sampled_from(
    [
        ("user_id", "item_id", "timestamp", "rating", "review"),
        ("userId", "movieId", "timestamp", "rating", "comment"),
        ("visitorid", "itemid", "time", "Stars", "reviewText"),
        ("Customer ID", "Product", "Date", "Score", "Text"),
    ]
)
TIMES = {
    "s": str,
    "ms": lambda s: str(s * 1000),
    "us": lambda s: str(s * 10**6),
    "iso": lambda s: datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%d %H:%M:%S"),
    "zulu": lambda s: datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "compact": lambda s: datetime.fromtimestamp(s, UTC).strftime("%Y%m%d%H%M%S"),
    "words": lambda s: datetime.fromtimestamp(s, UTC).strftime("%d %b %Y %H:%M:%S"),
}
PACK = {
    "": lambda data: data,
    "gz": gzip.compress,
    "gz2": lambda data: gzip.compress(data[:50]) + gzip.compress(data[50:]),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def key(row):
    user, item, at, rating, review = row
    return user, item, at, rating, " ".join(review.split()) if review else None


def found(data):
    return sorted(
        map(
            repr,
            ((e.user_id, e.item_id, e.timestamp, e.rating, e.review) for e in all_events(data)),
        )
    )


def written(rows, names, form):
    header, clock = names, TIMES[form["time"]]
    cells = [
        (user, item, clock(at), "" if rating is None else f"{rating:g}", review or "")
        for user, item, at, rating, review in rows
    ]
    if form["kind"] == "parquet":
        buffer = io.BytesIO()
        columns = list(zip(*cells, strict=True))
        pq.write_table(pa.table(dict(zip(header, map(list, columns), strict=True))), buffer)
        return buffer.getvalue()
    if form["kind"] in ("jsonl", "json"):
        objects = [dict(zip(header, cell, strict=True)) for cell in cells]
        if form["kind"] == "json":
            return json.dumps(objects, indent=2, ensure_ascii=False).encode()
        return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects).encode()
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=form["delimiter"],
        quoting=form["quoting"],
        lineterminator=form["ending"],
        doublequote=not form["escape"],
        escapechar="\\" if form["escape"] else None,
    )
    writer.writerow(header)
    writer.writerows(cells)
    return text.getvalue().encode(form["encoding"])


FORMS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["csv", "csv", "csv", "jsonl", "json", "parquet"]),
        "delimiter": st.sampled_from([",", ";", "\t", "|"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "ending": st.sampled_from(["\n", "\r\n"]),
        "escape": st.booleans(),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
        "time": st.sampled_from(sorted(TIMES)),
        "pack": st.sampled_from(sorted(PACK)),
    }
)


@MANY
@given(rows=st.lists(ROW, min_size=1, max_size=30, unique_by=key), names=NAMES, form=FORMS)
def test_a_log_in_any_form_comes_back_through_the_command_of_inspect(new_desk, rows, names, form):
    desk = new_desk()
    path = desk.root / f"log.{form['kind']}"
    path.write_bytes(PACK[form["pack"]](written(rows, names, form)))
    command = inspect([path], out=str(desk.out)).command
    result = CliRunner().invoke(app, shlex.split(command)[1:])
    assert result.exception is None, (command, result.exception)
    assert found(Dataset.load(desk.out)) == sorted(repr(key(row)) for row in rows), command


@MANY
@given(rows=st.lists(ROW, min_size=1, max_size=30, unique_by=key), seed=st.integers(0, 10**6))
def test_no_row_is_lost_that_another_reader_reads(new_desk, rows, seed):
    """Broken lines among sound ones: what DuckDB reads of each line, and pandas of the file."""
    desk, chance = new_desk(), random.Random(seed)
    lines = ["user_id,item_id,timestamp,rating,review"]
    sound = set()
    for user, item, at, rating, review in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(
            (user, item, at, "" if rating is None else rating, (review or "").replace("\n", " "))
        )
        broken = chance.choice(["", "", '"open', "a,b", "a,b,c,d,e,f,g"])
        if broken == '"open':
            lines.append(f'{user},{item},{at},,"never closed')
        elif broken:
            lines.append(broken)
        lines.append(line.getvalue())
        sound.add((user, item, at))
    path = desk.write("e.csv", "\n".join(lines) + "\n")
    columns = dict.fromkeys(lines[0].split(","), "VARCHAR")
    alone = 0
    with duckdb.connect() as connection:
        for line in filter(None, lines[1:]):
            one = desk.write("one.csv", line + "\n")
            ((read,),) = connection.sql(
                f"SELECT count(*) FROM read_csv('{one}', header=false, delim=',', quote='\"', "
                f"escape='\"', columns={columns}, auto_detect=false, ignore_errors=true)"
            ).fetchall()
            alone += read
    # A quote that is never closed makes pandas take later lines for its text, or stop.
    try:
        frame = pd.read_csv(path, dtype=str, on_bad_lines="skip", engine="python")
    except pd.errors.ParserError:
        frame = pd.DataFrame(columns=lines[0].split(","))
    of_pandas = set(zip(frame["user_id"], frame["item_id"], frame["timestamp"], strict=True))
    data, report = desk.prepare(path)
    ours = [(event.user_id, event.item_id, event.timestamp) for event in all_events(data)]
    assert len(ours) == alone == len(rows)
    assert {(user, item, str(at)) for user, item, at in ours} >= of_pandas & {
        (user, item, str(at)) for user, item, at in sound
    }
    assert report.event_rows == len(lines) - 1


SEEDS = {
    "e.csv": b"user_id,item_id,timestamp,review\n"
    + b'a,x,1600000000,"say ""hi"", ok"\nb,y,1600000001,z\n' * 3,
    "e.tsv": b"userId\tmovieId\ttime\na\tx\t2020-01-01\nb\ty\t2020-01-02\n" * 3,
    "e.jsonl": b'{"user_id": "a", "item_id": "x", "timestamp": 1600000000}\n' * 5,
    "e.json": json.dumps(
        [{"user_id": "a", "item_id": n, "timestamp": n} for n in range(9)]
    ).encode(),
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    content = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(content)) if content else 0
        match chance.randrange(4):
            case 0 if content:
                content[place] ^= 1 << chance.randrange(8)
            case 1:
                del content[place : place + chance.randint(1, 30)]
            case 2:
                other = chance.randrange(len(content) + 1)
                content[place:place] = content[other : other + chance.randint(1, 30)]
            case _:
                content[place:place] = chance.choice(
                    [b'"', b"\n", b"\\", b"\x00", b"[", b"{", b"\xff"]
                )
    return bytes(content)


def peak_mib() -> float:
    """Return the most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize("name", [*SEEDS, "e.parquet", "e.csv.gz"])
def test_a_mutated_file_is_read_or_refused_in_one_line(desk, name):
    if name == "e.parquet":
        pq.write_table(
            pa.table({"user_id": ["a"], "item_id": ["x"], "timestamp": [1]}), desk.root / name
        )
        seed = (desk.root / name).read_bytes()
    else:
        seed = gzip.compress(SEEDS["e.csv"], mtime=0) if name.endswith("gz") else SEEDS[name]
    chance, before = random.Random(name), peak_mib()
    for number in range(max(3, EXAMPLES // 6)):
        path = desk.root / name
        path.write_bytes(mutated(seed, chance))
        started = time.process_time()
        for work in (
            lambda path=path: inspect([path]),
            lambda path=path: prepare(path, None, desk.out, PrepareConfig(max_reject_share=1)),
        ):
            try:
                work()
            except GenrecError as error:
                assert "\n" not in str(error), (number, str(error))
        assert time.process_time() - started < 5, number
    assert peak_mib() - before < 500
