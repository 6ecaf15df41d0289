"""What filters and rules cost.

    python benchmarks/rules_speed.py [--run RUN] [--json FILE]

1. Compiling a filter of four attributes over 100,000 and a million items to a mask, and bringing
   the mask to a trie; the columns are made before, once.
2. With a run: a request under five rules (ban, boost, bury, a limit, and a quota, diversity or
   calibration) against one without, in turns; the ratios of the medians of processor time, which
   other programs of the machine change little.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from itertools import count as count_from
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.filters import ItemAttributes, read_filter
from genrec.filters.attributes import Part
from genrec.recommender import Recommender
from genrec.rules import Plan, read_rules
from genrec.schema import Item, Request

SIZES = (100_000, 1_000_000)
ROUNDS = 15
NUM_USERS = 30
FILTER = {
    "categories": {"any": ["c1", "c2", "d7"]},
    "price": {"gt": 3, "lte": 50},
    "stock": True,
    "not": {"brand": {"any": [f"b{number}" for number in range(100)]}},
}


def make_items(count: int) -> list[Item]:
    """Draw items with a brand, two categories, a price and a stock."""
    rng = np.random.default_rng(0)
    brands, coarse, fine = (rng.integers(0, top, count) for top in (5000, 20, 400))
    prices, stock = rng.uniform(0, 100, count).round(2), rng.random(count) < 0.8
    return [
        Item(
            f"P{row}",
            brand=f"b{brands[row]}",
            categories=(f"c{coarse[row]}", f"d{fine[row]}"),
            attributes={"price": float(prices[row]), "stock": bool(stock[row])},
        )
        for row in range(count)
    ]


def time_ms(work: Callable[[], object]) -> float:
    """Return the best of the rounds, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def measure_filters(count: int) -> dict[str, float]:
    """Time one filter over so many items."""
    items = make_items(count)
    item_ids = [item.item_id for item in items]
    start = time.perf_counter()
    attributes = ItemAttributes(item_ids, [Part(items)])
    passing = np.flatnonzero(attributes.mask(read_filter(FILTER)))
    first_s = time.perf_counter() - start

    numbers = count_from(1)

    def compile_anew() -> None:
        # Another bound each time, so that no mask is kept.
        bound = 50 + next(numbers) / 100
        attributes.mask(read_filter({**FILTER, "price": {"gt": 3, "lte": bound}}))

    rng = np.random.default_rng(0)
    paths = np.stack([np.arange(count) >> 12, np.arange(count) & 4095, rng.integers(0, 9, count)])
    trie = DeviceTrie.from_trie(Trie.build(paths.T))
    return {
        "items": count,
        "pass": len(passing),
        "first_s": first_s,
        "compile_ms": time_ms(compile_anew),
        "constraint_ms": time_ms(lambda: Constraint.build(trie, None, [passing])),
    }


def measure_rules(run: Path) -> dict[str, float]:
    """Time requests with and without rules, in turns."""
    recommender = Recommender.from_pretrained(run, "cpu")
    requests = [
        Request(history) for history in islice(recommender.data.histories("test"), NUM_USERS)
    ]
    some = recommender.items[:3]
    rules = [
        {"ban": {"brand": some[0].brand or ""}},
        {"boost": {"categories": list(some[1].categories)}, "by": 0.5},
        {"bury": {"categories": list(some[2].categories)}, "by": 0.5},
        {"at_most": 2, "per": "brand"},
    ]
    fifth = {
        "quota": {"at_least": 2, "of": {"new": False}},
        "diversity": {"diversity": 0.5},
        "calibration": {"calibrate": "popularity"},
    }
    plans: dict[str, Plan | None] = {"plain": None}
    plans |= {name: recommender.plan(read_rules([*rules, rule])) for name, rule in fifth.items()}
    times: dict[str, list[float]] = {name: [] for name in plans}
    for _ in range(3):
        for request in requests:
            for name, plan in plans.items():
                start = time.process_time()
                recommender.recommend_many([request], 10, plan)
                times[name].append(time.process_time() - start)
    medians = {name: 1000 * median(each) for name, each in times.items()}
    ratios = {f"{name}_ratio": medians[name] / medians["plain"] for name in fifth}
    return {f"{name}_ms": value for name, value in medians.items()} | ratios


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, object] = {"filters": [measure_filters(count) for count in SIZES]}
    if options.run is not None:
        found["rules"] = measure_rules(options.run)
    text = json.dumps(found, indent=2)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
