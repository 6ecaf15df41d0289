"""JSON that stands on one line, however long: nothing of it may be cut."""

import json

import pytest

from genrec.data import Dataset, lines
from genrec.data.prepare import PrepareConfig, prepare
from tests.data.conftest import all_events

COUNT = 30_000


@pytest.mark.parametrize("shape", ["array", "concatenated"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_all_of_a_long_line_is_read(desk, monkeypatch, shape, encoding):
    # Blocks end within characters and objects.
    monkeypatch.setattr(lines, "CHUNK_BYTES", 99_991)
    rows = [
        {"user_id": f"ü{n % 900}", "item_id": f"商品{n % 70}", "timestamp": 1_600_000_000 + n}
        for n in range(COUNT)
    ]
    parts = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = f"[{','.join(parts)}]" if shape == "array" else "".join(parts)
    path = desk.write("log.json", text.encode(encoding))
    assert path.stat().st_size > PrepareConfig().max_line_bytes
    prepare(path, None, desk.out, PrepareConfig())
    events = all_events(Dataset.load(desk.out))
    assert sorted((e.user_id, e.item_id, e.timestamp) for e in events) == sorted(
        tuple(row.values()) for row in rows
    )
