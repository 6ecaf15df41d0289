"""Build time, peak memory and live updates of the interest graph, on a large log.

    python benchmarks/graph_scale.py                      # 10 million events
    python benchmarks/graph_scale.py --events 1000000

Writes synthetic events and prepares them (as prepare_memory.py does), gives every item codes drawn
at random, builds the graph in a process of its own, adds events to it one by one, and prints one
JSON object. "updates_per_rebuild" is how many updates take the time of one rebuild; "update_cpu_ms"
is the processor time of the updating thread alone, without what others on the machine took.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from prepare_memory import write_input

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.graph import build_graph, find_path
from genrec.schema import Event
from genrec.semantic_ids.table import SemanticIdTable

UPDATES = 20_000
PATHS = 200
CATALOGUE = ("user-item", "user-interest", "item-interest", "interest-interest")


def random_table(data: Dataset, seed: int) -> SemanticIdTable:
    rng = np.random.default_rng(seed)
    codes = rng.choice(256**3, len(data.items), replace=False)
    codes = np.stack(np.unravel_index(codes, (256,) * 3), axis=1).astype(np.int32)
    return SemanticIdTable(
        [item.item_id for item in data.items], codes, 256, np.zeros((3, 256, 1), np.float32), {}
    )


def measure(path: Path) -> dict:
    """Build, update and ask; runs in a process of its own, whose peak memory it reports."""
    data = Dataset.load(path)
    table = random_table(data, seed=0)
    started = time.perf_counter()
    graph = build_graph(data, table, upto="test")
    build_s = time.perf_counter() - started
    built_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {
        "nodes": {kind: graph.size(kind) for kind in ("user", "interest", "item", "word")},
        "edges": {name: len(relation) for name, relation in graph.relations.items()},
        "build_s": round(build_s, 1),
        "build_peak_rss_gib": round(built_kilobytes / (1 << 20), 2),
    }
    wall_ms, cpu_ms = time_updates(graph, np.random.default_rng(1))
    result |= {
        "update_ms": quantiles(wall_ms),
        "update_cpu_ms": quantiles(cpu_ms),
        "updates_per_rebuild": round(1e3 * build_s / float(np.quantile(wall_ms, 0.5))),
    }
    paths_ms = time_paths(graph, np.random.default_rng(2))
    result |= {
        "first_path_ms": round(float(paths_ms[0]), 1),
        "path_ms": quantiles(paths_ms[1:]),
    }
    peak_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return result | {"peak_rss_gib": round(peak_kilobytes / (1 << 20), 2)}


def quantiles(times_ms: np.ndarray) -> dict:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(float(np.quantile(times_ms, q)), 4) for name, q in shares.items()}


def time_updates(graph, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return wall-clock and own processor time of each update, in milliseconds.

    A tenth of the events is by new users; half are rated, a quarter only reviewed.
    """
    review = "It works well. I would buy it again, the old one broke after a week."
    graph.update(Event("first", "item0", int(graph.now), review=review))  # loads the lexicon
    taken = []
    for number in range(UPDATES):
        known = rng.random() > 0.1
        user = graph.node_at("user", int(rng.integers(graph.size("user")))).key
        item = graph.node_at("item", int(rng.integers(graph.size("item")))).key
        event = Event(
            user if known else f"new {number}",
            item,
            int(graph.now) + 60,
            "purchase",
            float(rng.integers(1, 6)) if number % 2 else None,
            review=review if number % 4 == 0 else None,
        )
        started, worked = time.perf_counter(), time.thread_time()
        graph.update(event)
        taken.append((time.perf_counter() - started, time.thread_time() - worked))
    wall_s, cpu_s = np.array(taken).T
    return 1e3 * wall_s, 1e3 * cpu_s


def time_paths(graph, rng) -> np.ndarray:
    taken = []
    for _ in range(PATHS):
        user = graph.node_at("user", int(rng.integers(graph.size("user"))))
        item = graph.node_at("item", int(rng.integers(graph.size("item"))))
        started = time.perf_counter()
        # The few words of these titles are in every one of them: no way worth going.
        find_path(graph, user, item, CATALOGUE)
        taken.append(1e3 * (time.perf_counter() - started))
    return np.array(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--directory", type=Path, help="where to put the files while it runs")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory(dir=options.directory) as name:
        directory = Path(name)
        rows = write_input(directory, options.events, options.items)
        files = (directory / "events.csv", directory / "items.jsonl", directory / "data")
        prepare(*files, PrepareConfig())
        command = [sys.executable, __file__, "--measure", str(directory / "data")]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(json.dumps({"rows": rows} | json.loads(done.stdout), indent=2))


if __name__ == "__main__":
    main()
