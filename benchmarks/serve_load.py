"""Load on a gateway: clients on this machine ask one after the other as fast as they are answered.

    python benchmarks/serve_load.py --run runs/demo/sft

Starts ``python -m genrec.serving`` in a process of its own on a free loopback port, with a new
SQLite store, and measures three times: recommendations only; with every fifth request posting an
event; with every twentieth asking for an explanation. Ends with exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import psutil

from genrec.batching import in_batches

ROOT = Path(__file__).parents[1]
START_S = 120
MOST_DRAWN = 1000
MIN_RECOMMENDATIONS_PER_S = 50
MAX_P99_MS = 500
MAX_GROWTH = 1.05
K = 10


@dataclass
class Load:
    """What the clients saw.

    Attributes:
        seconds: How long they asked.
        latencies_ms: Of every answered recommendation.
        event_latencies_ms: Of every acknowledged event.
        explanation_latencies_ms: Of every explanation.
        errors: Status codes or exceptions that were no success.
        rss_bytes: Memory of the gateway before and after.
        cpu_s: Processor time that the gateway took.
    """

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    event_latencies_ms: list[float] = field(default_factory=list)
    explanation_latencies_ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rss_bytes: tuple[int, int] = (0, 0)
    cpu_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Recommendations a second."""
        return len(self.latencies_ms) / self.seconds

    @property
    def p99_ms(self) -> float:
        """Only one in a hundred took longer."""
        return float(np.percentile(self.latencies_ms, 99))

    @property
    def passes(self) -> bool:
        """Whether every bar is met."""
        return (
            self.per_s >= MIN_RECOMMENDATIONS_PER_S
            and self.p99_ms < MAX_P99_MS
            and not self.errors
            and self.rss_bytes[1] <= self.rss_bytes[0] * MAX_GROWTH
        )


@contextmanager
def gateway(
    run: Path, threads: int, workers: int = 1, **settings: object
) -> Iterator[tuple[str, int]]:
    """Start a gateway, with a new store unless settings name one; yield its URL and process ID."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {
            **os.environ,
            "GENREC_RUN": str(run),
            "GENREC_PORT": "0",
            "GENREC_STORE": f"sqlite:///{folder}/store.db",
            "GENREC_THREADS": str(threads),
            "GENREC_WORKERS": str(workers),
            "GENREC_DEVICE": "cpu",
            "GENREC_RATE_LIMIT_PER_S": "0",
            **{f"GENREC_{name.upper()}": str(value) for name, value in settings.items()},
        }
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "genrec.serving"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=output,
            )
        try:
            yield _wait_for_url(process, log), process.pid
        finally:
            process.terminate()
            process.wait(30)


def _wait_for_url(process: subprocess.Popen, log: Path) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return line.partition('"url": "')[2].partition('"')[0]
        time.sleep(0.1)
    raise SystemExit(f"the gateway did not start:\n{log.read_text()}")


async def measure(
    url: str,
    pid: int,
    clients: int,
    seconds: float,
    event_share: float = 0.0,
    explanation_share: float = 0.0,
    asked: Callable[[], Mapping[str, Any]] = dict,
    users: Sequence[str] = (),
    timeout_s: float = 30,
    warm_up_s: float = 0,
) -> Load:
    """Let clients ask for some seconds.

    Args:
        url: Of the gateway.
        pid: Its process.
        clients: How many ask at the same time.
        seconds: How long, after users were asked about once: what is kept of them is there then,
            so that growth is a leak.
        event_share: Of requests that post an event.
        explanation_share: Of requests that ask for an explanation.
        asked: Tells what a recommendation is asked for beside the user and ``k``.
        users: Who they are; empty: the first ones of the gateway.
        timeout_s: After which a client gives up on an answer.
        warm_up_s: How long they ask before it counts, in the same way.
    """
    load = Load()
    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(base_url=url, timeout=timeout_s, limits=limits) as http:
        known = (await http.get("/v1/users", params={"limit": MOST_DRAWN})).json()["users"]
        items = (await http.get("/v1/items", params={"limit": MOST_DRAWN})).json()["items"]
        user_ids = users or [user["user_id"] for user in known]
        item_ids = [item["item_id"] for item in items]

        async def client(seed: int, until: float, into: Load) -> None:
            choose = random.Random(seed)
            while (start := time.perf_counter()) < until:
                user_id = choose.choice(user_ids)
                drawn = choose.random()
                if drawn < event_share:
                    event = {"user_id": user_id, "item_id": choose.choice(item_ids)}
                    path, body, kept = "/v1/events", {"events": [event]}, into.event_latencies_ms
                elif drawn < event_share + explanation_share:
                    item_id = choose.choice(item_ids)
                    body = {"user_id": user_id, "item_id": item_id, "filter_seen": False}
                    path, kept = "/v1/explain", into.explanation_latencies_ms
                else:
                    path, body, kept = (
                        "/v1/recommend",
                        {"user_id": user_id, "k": K, **asked()},
                        into.latencies_ms,
                    )
                try:
                    answer = await http.post(path, json=body)
                except httpx2.HTTPError as error:
                    into.errors.append(repr(error))
                    continue
                if answer.status_code != 200:
                    into.errors.append(f"{answer.status_code} {answer.text}")
                    continue
                kept.append((time.perf_counter() - start) * 1000)

        async def all_clients(for_s: float, into: Load) -> float:
            start = time.perf_counter()
            await asyncio.gather(*(client(n, start + for_s, into) for n in range(clients)))
            return time.perf_counter() - start

        for some in in_batches(user_ids[:MOST_DRAWN], clients):
            asks = [{"user_id": user_id, "k": K, **asked()} for user_id in some]
            await asyncio.gather(*(http.post("/v1/recommend", json=ask) for ask in asks))
        await all_clients(warm_up_s, Load())
        rss_before, cpu_before = _spent(pid)
        load.seconds = await all_clients(seconds, load)
        rss, cpu = _spent(pid)
        load.rss_bytes, load.cpu_s = (rss_before, rss), cpu - cpu_before
    return load


def _spent(pid: int) -> tuple[int, float]:
    """Return the memory of a gateway and its workers, and their processor time in seconds."""
    gateway = psutil.Process(pid)
    each = [gateway, *gateway.children(recursive=True)]
    times = [process.cpu_times() for process in each]
    return (
        sum(process.memory_info().rss for process in each),
        sum(one.user + one.system for one in times),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=ROOT / "runs/demo/sft")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=90, help="seconds before it counts")
    parser.add_argument("--threads", type=int, default=1, help="of a torch engine")
    parser.add_argument("--workers", type=int, default=1, help="processes that answer")
    arguments = parser.parse_args()
    passed = True
    for shares in ((0.0, 0.0), (0.2, 0.0), (0.0, 0.05)):
        with gateway(arguments.run.resolve(), arguments.threads, arguments.workers) as (url, pid):
            asked = (arguments.clients, arguments.seconds, *shares)
            # What explanations keep grows for a minute and a half, and then no more.
            load = asyncio.run(measure(url, pid, *asked, warm_up_s=arguments.warm_up))
        passed &= load.passes
        before, after = (round(value / 2**20) for value in load.rss_bytes)
        print(
            f"{arguments.clients} clients, {load.seconds:.0f} s, {shares[0]:.0%} events, "
            f"{shares[1]:.0%} explanations: {load.per_s:.0f} recommendations/s, "
            f"p50 {np.median(load.latencies_ms):.0f} ms, "
            f"p99 {load.p99_ms:.0f} ms, {len(load.errors)} errors, RSS {before} -> {after} MiB"
        )
        others = {"events": load.event_latencies_ms, "explanations": load.explanation_latencies_ms}
        for name, latencies_ms in others.items():
            if latencies_ms:
                print(
                    f"  {name}: {len(latencies_ms) / load.seconds:.1f}/s, "
                    f"p99 {np.percentile(latencies_ms, 99):.0f} ms"
                )
        for error in load.errors[:3]:
            print(f"  error: {error}")
    print("every bar is met" if passed else "a bar is missed")
    sys.exit(not passed)


if __name__ == "__main__":
    main()
