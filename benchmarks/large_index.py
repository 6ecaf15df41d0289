"""Semantic IDs of a large catalogue: what `genrec index` takes for a million items.

    python -m benchmarks.large_index [--items 1000000] [--events 5000000]

Writes synthetic items (five words of a title, of which three are of their kind; 500 kinds) and
events (a user keeps to a few kinds), prepares them, and runs ``genrec index`` with its default
settings in a process of its own. Prints one JSON object: wall and processor seconds, peak memory,
and how many items share a code with another.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

from genrec.semantic_ids.table import SemanticIdTable

_ITEMS = """
COPY (
    SELECT 'item' || range AS item_id,
        array_to_string(['word' || (
            CASE WHEN place < 3 THEN 40 * (hash(range) % 500) + hash(range, place) % 40
            ELSE 20000 + hash(range, place) % 30000 END) FOR place IN range(5)], ' ') AS title,
        ['All', 'Kind ' || hash(range) % 500] AS categories
    FROM range($items)
) TO '{path}' (FORMAT json)
"""
_EVENTS = """
COPY (
    WITH kinds AS (
        SELECT 'item' || range AS item_id, hash(range) % 500 AS kind,
            row_number() OVER (PARTITION BY kind ORDER BY range) - 1 AS place
        FROM range($items)
    ), sizes AS (
        SELECT kind, count(*) AS size FROM kinds GROUP BY kind
    ), draws AS (
        SELECT range AS number, range // 10 AS who, random() AS draw,
            hash(range // 10, hash(range) % 3) % 500 AS kind
        FROM range($events)
    ), placed AS (
        SELECT number, who, kind, (draw ** 2 * size)::BIGINT % size AS place
        FROM draws JOIN sizes USING (kind)
    )
    SELECT 'user' || who AS user_id, item_id,
        1262304000 + number % 10 * 864000 + who % 1000 AS timestamp, 'purchase' AS event_type
    FROM placed JOIN kinds USING (kind, place)
) TO '{path}' (FORMAT parquet)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--directory", type=Path, help="where to put the files while it runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        folder = Path(name)
        events, items, data, index = (
            folder / part for part in ("events.parquet", "items.jsonl", "data", "index")
        )
        with duckdb.connect(config={"memory_limit": "4GB"}) as connection:
            connection.execute("SELECT setseed(0)")
            values = {"events": arguments.events, "items": arguments.items}
            connection.execute(_EVENTS.format(path=events), values)
            connection.execute(_ITEMS.format(path=items), {"items": arguments.items})
        genrec = [sys.executable, "-m", "genrec.cli"]
        files = ["--events", events, "--items", items, "--out", data]
        subprocess.run([*genrec, "prepare", *files], check=True, stdout=sys.stderr)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(
            [*genrec, "index", "--data", data, "--out", index], check=True, stdout=sys.stderr
        )
        seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        codes = SemanticIdTable.load(index).codes
        different = len(np.unique(codes[:, :-1], axis=0))
    result = {
        "items": len(codes),
        "seconds": round(seconds, 1),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        # Of the largest child; preparation takes less.
        "peak_rss_gib": round(after.ru_maxrss / 2**20, 2),
        "prepare_rss_gib": round(before.ru_maxrss / 2**20, 2),
        "levels": codes.shape[1],
        "prefixes_of_items": different,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
