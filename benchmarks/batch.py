"""A batch job for many users: its speed, its memory, two workers, and kills.

    python benchmarks/batch.py --run runs/demo/sft --data runs/demo/data   # 100,000 users: an hour
    python benchmarks/batch.py --run runs/demo/sft --data runs/demo/data --users 4000 --kills 2

The users are made of those of a data set: each has a random stretch of a real history. Measured:

- users a second of `genrec recommend --users all`, from its first part to its last, beside those of
  `genrec evaluate` on the same model;
- memory of the job at a tenth of its parts and at its end;
- users a second of one worker and of two on Ray, each on one thread;
- whether jobs that are killed at random moments and started again end with the same bytes.

Every process computes on one thread. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.engines.torch import TorchEngine
from genrec.evaluate.harness import evaluate
from genrec.model.load import load_run
from genrec.recommender import Recommender
from genrec.schema import Event

NUM_BEAMS = 50
PART_PATTERN = "part-*[0-9].parquet"


def make_up(
    histories: Sequence[Sequence[Event]], users: int
) -> Iterator[tuple[str, Sequence[Event]]]:
    """Yield the IDs of so many made-up users, each with a random stretch of a real history."""
    chance = random.Random(0)
    for user in range(users):
        events = chance.choice(histories)
        start = chance.randrange(max(len(events) - 3, 1))
        yield f"user-{user}", events[start:]


def write_histories(data: Dataset, folder: Path, users: int) -> None:
    """Prepare a data set of so many made-up users."""
    histories = [history.events for history in data.histories("test")]
    with (folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "item_id", "timestamp", "event_type"])
        for user_id, events in make_up(histories, users):
            for event in events:
                writer.writerow([user_id, event.item_id, event.timestamp, event.event_type])
    prepare(folder / "events.csv", None, folder / "histories")


def start(options: argparse.Namespace, out: Path, *more: object) -> psutil.Popen:
    command = [
        *(sys.executable, "-m", "genrec.cli", "recommend", "--run", options.run),
        *("--histories", out.parent / "histories", "--users", "all", "--out", out),
        *("--num-beams", NUM_BEAMS, "--device", "cpu", "--shard-users", options.shard_users, *more),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return psutil.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def watch(process: psutil.Popen, out: Path, num_parts: int) -> dict[str, float]:
    """Wait for a job; return its pace between its parts and its memory on the way."""
    folder, seen, rss = Path(f"{out}.parts"), dict[int, float](), dict[int, int]()
    while process.poll() is None:
        done = len(list(folder.glob(PART_PATTERN)))
        if done and done not in seen:
            seen[done] = time.perf_counter()
            rss[done] = process.memory_info().rss
        # A look costs what the job on the same cores then lacks.
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.stderr.read().decode()[-2000:])
    first, last = min(seen), max(seen)
    tenth = min(rss, key=lambda done: abs(done - num_parts / 10))
    return {
        "parts_per_s": (last - first) / (seen[last] - seen[first]),
        "rss_gib_at_a_tenth": rss[tenth] / 2**30,
        "rss_gib_at_the_end": rss[last] / 2**30,
    }


def kill_and_go_on(options: argparse.Namespace, out: Path, num_parts: int, kills: int) -> int:
    """Kill a job at random moments, then let it end; return how often it was killed."""
    chance, killed = random.Random(1), 0
    folder = Path(f"{out}.parts")
    for wanted in sorted(chance.sample(range(1, num_parts), kills)):
        process = start(options, out)
        while process.poll() is None and len(list(folder.glob(PART_PATTERN))) < wanted:
            time.sleep(0.01)
        time.sleep(chance.random())
        killed += process.poll() is None
        process.kill()
        process.wait()
    if start(options, out).wait():
        raise SystemExit("the job that was killed did not end")
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="what the run was trained on")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--shard-users", type=int, default=256)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument(
        "--few", type=int, default=8_000, help="users of the jobs on Ray, and killed"
    )
    options = parser.parse_args()
    data = Dataset.load(options.data)
    run = load_run(options.run)
    ranker = Recommender(run, TorchEngine(run, num_beams=NUM_BEAMS), data)
    result: dict[str, object] = {"users": options.users}
    result["evaluate_users_per_s"] = evaluate(ranker, data, "test", k=10)[0].users_per_s
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_histories(data, folder, options.users)
        out = folder / "all.parquet"
        num_parts = -(-options.users // options.shard_users)
        job = watch(start(options, out), out, num_parts)
        result["batch_users_per_s"] = job.pop("parts_per_s") * options.shard_users
        result |= job
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users = min(options.few, options.users)
        write_histories(data, folder, users)
        num_parts = -(-users // options.shard_users)
        pace = {}
        for workers in (1, 2):
            out = folder / f"ray-{workers}.parquet"
            job = watch(start(options, out, "--ray", workers), out, num_parts)
            pace[workers] = job["parts_per_s"] * options.shard_users
        result["ray_users_per_s"] = pace
        result["two_workers_times_one"] = pace[2] / pace[1]
        killed = folder / "killed.parquet"
        result["kills"] = kill_and_go_on(options, killed, num_parts, options.kills)
        whole = folder / "ray-1.parquet"
        result["same_bytes_after_kills"] = killed.read_bytes() == whole.read_bytes()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
