"""Does a gateway's memory stay where it is? Many known users, a full session cache, load for long.

    python -m benchmarks.memory_soak --run runs/demo/sft --users 100000 --seconds 1800

Fills a new SQLite store with users of a few events each, starts a gateway on it and lets clients
ask for users by chance and post events. Prints the memory of the process now and then. Ends with
exit code 1 where a request failed, or where the last third of the time needed more than a twentieth
more than the third before.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.serve_load import MAX_GROWTH, ROOT, gateway, measure
from genrec.batching import in_batches
from genrec.recommender import Recommender
from genrec.schema import Event
from genrec.serving.store import EventStore, StoredEvent, connect, migrate

EVENTS_OF_A_USER = (3, 10)
AT_ONCE = 10_000
PARTS = 12
PATIENCE_S = 900
"""So that other work on the machine makes no errors."""
DAY = 86_400


def draw_events(num_users: int, item_ids: list[str]) -> Iterator[StoredEvent]:
    """Yield what every user did: purchases a day apart, of items by chance."""
    choose, now = random.Random(0), int(time.time())
    for number in range(num_users):
        for days in range(choose.randint(*EVENTS_OF_A_USER), 0, -1):
            item_id = choose.choice(item_ids)
            yield StoredEvent(Event(f"user-{number}", item_id, now - DAY * days, "purchase"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=ROOT / "runs/demo/sft")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--cache-mb", type=int, default=64, help="of the session cache")
    arguments = parser.parse_args()
    items = Recommender.from_pretrained(arguments.run, "cpu").table.item_ids
    sizes, errors = [], []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        engine = connect(url)
        migrate(engine)
        store = EventStore(engine)
        for events in in_batches(draw_events(arguments.users, items), AT_ONCE):
            store.add(events)
        engine.dispose()
        settings = {"store": url, "session_cache_mb": arguments.cache_mb}
        users = [f"user-{number}" for number in range(arguments.users)]
        with gateway(arguments.run.resolve(), 1, **settings) as (address, pid):
            for part in range(PARTS):
                load = asyncio.run(
                    measure(
                        *(address, pid, arguments.clients, arguments.seconds / PARTS),
                        event_share=0.2,
                        users=users,
                        timeout_s=PATIENCE_S,
                    )
                )
                sizes.append(load.rss_bytes[1] / 2**20)
                errors += load.errors
                print(
                    f"{part + 1} of {PARTS}: {load.per_s:.0f} recommendations/s, "
                    f"{len(load.errors)} errors, RSS {sizes[-1]:.0f} MiB",
                    flush=True,
                )
                for error in load.errors[:3]:
                    print(f"  error: {error}", flush=True)
    third = PARTS // 3
    growth = max(sizes[-third:]) / max(sizes[-2 * third : -third])
    print(f"the last third needed {growth:.3f} times the memory of the one before")
    sys.exit(bool(errors) or growth > MAX_GROWTH)


if __name__ == "__main__":
    main()
