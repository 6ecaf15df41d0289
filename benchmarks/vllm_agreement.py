"""Does a vLLM server name the items that this process names, and only items that exist?

    python -m genrec.engines.vllm --model BASE --port 8000   # in vLLM's environment
    python -m benchmarks.vllm_agreement --run RUN --url http://localhost:8000

Asks both engines for ten items of each user, with the run's adapter where it has one; both compute
in float32, as vLLM does on a CPU. Then sends the server requests under filters drawn by chance, and
counts what it names that is no item or was not allowed. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np

from genrec.artifacts import read_manifest
from genrec.batching import in_batches
from genrec.data import Dataset
from genrec.engines.base import ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.engines.vllm.client import VllmEngine
from genrec.model.load import load_run
from genrec.schema import Request

K = 10
AT_ONCE = 4
PATIENCE_S = 600
ADAPTER = "run"


def main() -> None:
    """Compare, then try to make it name what it may not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--url", required=True, help="of a server of the run's base")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--beams", type=int, default=20)
    arguments = parser.parse_args()

    run = load_run(arguments.run)
    here = TorchEngine(run, num_beams=arguments.beams, arithmetic="float32")
    there = VllmEngine(arguments.url, run, arguments.beams, PATIENCE_S)
    if read_manifest(run.path).kind == "sft":
        there.load_adapter(ADAPTER, run.path)
        there.use_adapter(ADAPTER)
    histories = list(Dataset.load(run.data).histories("test"))[: arguments.users]
    prompts = run.encoder.prompts([Request(history) for history in histories])

    found = agreement(here, there, [ItemQuery(prompt) for prompt in prompts])
    found["requests"] = arguments.requests
    found["invalid"] = count_invalid(there, prompts, len(run.table), arguments.requests)
    print(json.dumps(found))


def agreement(here: TorchEngine, there: VllmEngine, queries: list[ItemQuery]) -> dict[str, float]:
    """Return shares of users who get the same, and the greatest difference of a score in nats."""
    same_items, same_order, overlaps, difference = 0, 0, 0.0, 0.0
    for part in in_batches(queries, AT_ONCE):
        for mine, theirs in zip(here.items(part, K), there.items(part, K), strict=True):
            shared = set(mine.rows.tolist()) & set(theirs.rows.tolist())
            same_items += len(shared) == len(mine.rows)
            same_order += np.array_equal(mine.rows, theirs.rows)
            overlaps += len(shared) / K
            scores = dict(zip(mine.rows.tolist(), mine.scores, strict=True))
            others = dict(zip(theirs.rows.tolist(), theirs.scores, strict=True))
            difference = max([difference, *(abs(scores[row] - others[row]) for row in shared)])
    return {
        "users": len(queries),
        "same_items": same_items / len(queries),
        "same_order": same_order / len(queries),
        "overlap": round(overlaps / len(queries), 4),
        "greatest_difference": round(float(difference), 6),
    }


def count_invalid(
    engine: VllmEngine, prompts: list[list[int]], num_items: int, requests: int
) -> int:
    """Return how many requests were answered with an item that there is not or may not be."""
    choose, invalid = random.Random(0), 0

    def draw() -> ItemQuery:
        rows = choose.sample(range(num_items), choose.randint(1, num_items))
        candidates = np.array(sorted(rows)) if choose.random() < 0.5 else None
        excluded = choose.sample(range(num_items), choose.randint(0, num_items // 2))
        return ItemQuery(choose.choice(prompts), excluded, candidates)

    for queries in in_batches([draw() for _ in range(requests)], AT_ONCE):
        for query, answer in zip(queries, engine.items(queries, K), strict=True):
            allowed = set(range(num_items) if query.candidates is None else query.candidates)
            named = answer.rows.tolist()
            wrong = set(named) - (allowed - set(query.exclude))
            invalid += bool(wrong) or len(named) != len(set(named))
    return invalid


if __name__ == "__main__":
    main()
