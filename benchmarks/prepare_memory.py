"""Peak memory and speed of preparation on a file far larger than what it may hold.

    python benchmarks/prepare_memory.py                     # 50 million events: 11 GB of disk
    python benchmarks/prepare_memory.py --events 1000000
    python benchmarks/prepare_memory.py --events 10000000 --format parquet

Writes synthetic events (users and items of uneven popularity, ratings, short reviews, 1% exact
duplicates) as CSV or Parquet to a temporary directory, prepares them in a process of their own,
removes all, and prints one JSON object.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

_EVENTS = """
COPY (
    WITH draws AS (
        SELECT range AS number, random() AS user_draw, random() AS item_draw, random() AS again
        FROM range($events)
    )
    SELECT 'user' || (user_draw ** 2 * $events / 20)::BIGINT AS user_id,
        'item' || (item_draw ** 3 * $items)::BIGINT AS item_id,
        1262304000 + number * 300000000 // $events AS timestamp,
        CASE number % 3 WHEN 0 THEN 'purchase' ELSE 'view' END AS event_type,
        CASE number % 3 WHEN 0 THEN (1 + number % 5)::VARCHAR END AS rating,
        CASE number % 3 WHEN 0 THEN 'works &amp; lasts' END AS title,
        CASE number % 3 WHEN 0
            THEN 'bought it again, number ' || number || ', because it "just works"' END AS review
    FROM draws, range(CASE WHEN again < 0.01 THEN 2 ELSE 1 END)
) TO '{path}' ({options})
"""
_ITEMS = """
COPY (
    SELECT 'item' || range AS item_id, 'Thing number ' || range AS title,
        ['Things', 'Kind ' || range % 200] AS categories
    FROM range($items + 1)
) TO '{path}' (FORMAT json)
"""


_OPTIONS = {"csv": "HEADER", "parquet": "FORMAT parquet"}


def write_input(directory: Path, events: int, items: int, kind: str) -> int:
    with duckdb.connect(config={"memory_limit": "4GB"}) as connection:
        connection.execute("SELECT setseed(0)")
        values = {"events": events, "items": items}
        (rows,) = connection.execute(
            _EVENTS.format(path=directory / f"events.{kind}", options=_OPTIONS[kind]), values
        ).fetchone()
        connection.execute(_ITEMS.format(path=directory / "items.jsonl"), {"items": items})
    return rows


def run(directory: Path, kind: str, config: dict) -> dict:
    program = (
        "import sys, json, dataclasses; from pathlib import Path;"
        "from genrec.data.prepare import PrepareConfig, prepare;"
        "events, items, out, config = sys.argv[1:];"
        "config = PrepareConfig(**json.loads(config));"
        "report = prepare(Path(events), Path(items), Path(out), config);"
        "print(json.dumps(dataclasses.asdict(report)))"
    )
    files = [str(directory / name) for name in (f"events.{kind}", "items.jsonl", "out")]
    done = subprocess.run(
        [sys.executable, "-c", program, *files, json.dumps(config)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--format", choices=_OPTIONS, default="csv", help="of the events")
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--config", type=json.loads, default={}, help="JSON of PrepareConfig")
    parser.add_argument("--directory", type=Path, help="where to put the files while it runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        rows = write_input(directory, options.events, options.items, options.format)
        input_bytes = (directory / f"events.{options.format}").stat().st_size
        started = time.perf_counter()
        report = run(directory, options.format, options.config)
        seconds = time.perf_counter() - started
    # Of the largest process among the children and theirs.
    peak_kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    result = {
        "format": options.format,
        "rows": rows,
        "input_gb": round(input_bytes / 1e9, 2),
        "seconds": round(seconds, 1),
        "rows_per_s": round(rows / seconds),
        "peak_rss_gib": round(peak_kilobytes / (1 << 20), 2),
        "config": options.config,
        "report": report,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
