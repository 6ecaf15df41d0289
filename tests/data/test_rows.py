"""Lines to rows, wherever the chunks are cut."""

import csv
import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.data import lines
from genrec.data.lines import Run, read_blocks
from genrec.data.objects import read_lines
from genrec.data.rows import Dialect
from genrec.data.separated import read_separated

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ['"', '""', "\n\n", 'say "x"\r\nand', ",,", "\ufeff", " ", "é" * 9]
)
QUICK = settings(max_examples=150, deadline=None)


def batches(tmp_path_factory, content: bytes, chunk_bytes: int, read):
    path = tmp_path_factory.getbasetemp() / "rows.txt"
    path.write_bytes(content)
    usual, lines.CHUNK_BYTES = lines.CHUNK_BYTES, chunk_bytes
    try:
        return list(read(read_blocks(path, "utf-8", 10_000), path))
    finally:
        lines.CHUNK_BYTES = usual


@QUICK
@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), max_size=8), chunk_bytes=st.integers(1, 200))
def test_csv_comes_back_as_written(tmp_path_factory, rows, chunk_bytes):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    starts = []
    writer.writerow(["a", "b", "c"])
    for row in rows:
        starts.append(buffer.getvalue().count("\n") + 1)
        writer.writerow(row)
    content = buffer.getvalue().encode()
    found, numbers = [], []
    for batch in batches(
        tmp_path_factory,
        content,
        chunk_bytes,
        lambda blocks, path: read_separated(blocks, path, Dialect()),
    ):
        assert batch.rejects == []
        numbers += batch.lines
        if batch.lines:
            found += zip(*(batch.columns[name].to_pylist() for name in "abc"), strict=True)
    assert (found, numbers) == (rows, starts)


@QUICK
@given(
    rows=st.lists(st.dictionaries(st.sampled_from("abc"), TEXT | st.none()), max_size=8),
    chunk_bytes=st.integers(1, 200),
)
def test_json_comes_back_as_written(tmp_path_factory, rows, chunk_bytes):
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) or "\n"
    found = []
    for batch in batches(
        tmp_path_factory, content.encode(), chunk_bytes, lambda blocks, _: read_lines(blocks)
    ):
        assert batch.rejects == []
        for index in range(len(batch.lines)):
            found.append({name: column[index] for name, column in batch.columns.items()})
    assert [{k: v for k, v in row.items() if v is not None} for row in found] == [
        {k: v for k, v in row.items() if v is not None} for row in rows
    ]


@QUICK
@given(content=st.binary(max_size=300), chunk_bytes=st.integers(1, 64))
def test_any_bytes_give_every_line_once(tmp_path_factory, content, chunk_bytes):
    path = tmp_path_factory.getbasetemp() / "bytes.txt"
    path.write_bytes(b"first line\n" + content)
    usual, lines.CHUNK_BYTES = lines.CHUNK_BYTES, chunk_bytes
    try:
        chunks = [block.decode() for block in read_blocks(path, "utf-8", 50)]
    finally:
        lines.CHUNK_BYTES = usual
    found = {}
    for chunk in chunks:
        runs: list[Run] = chunk.runs
        for run in runs:
            found |= dict(enumerate(run.lines, run.first_line))
        found |= {reject.line: None for reject in chunk.rejects}
    expected = (b"first line\n" + content).split(b"\n")
    expected = expected if expected[-1] else expected[:-1]
    assert sorted(found) == list(range(1, len(expected) + 1))
    for number, line in enumerate(expected, 1):
        if found[number] is None:
            assert len(line) > 50 or b"\xef\xbf\xbd" in line.decode("utf-8", "replace").encode()
        else:
            assert found[number].encode() == line
