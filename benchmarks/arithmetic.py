"""What bfloat16 buys on this processor: training and search beside float32, and what it changes.

    python -m benchmarks.arithmetic --data DATA --base BASE [--users 40] [--asked 100]

Tunes copies of a base on every training event of the same users once, in float32 and under
bfloat16's autocast. The latter then holds its weights in bfloat16, and is asked for other users'
items under every arithmetic. Prints what ``auto`` chooses, and how many of the first ten items are
those that the same weights find in float32.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.trainer_speed import train_with_ours
from genrec.data import Dataset
from genrec.devices import Arithmetic
from genrec.engines.base import FoundItems, ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.model.item_loss import ItemLoss
from genrec.model.load import load_run
from genrec.model.loss import StreamLoss, Target
from genrec.schema import Request
from genrec.training.samples import stream_samples

K, BEAMS = 10, 20


def search(
    engine: TorchEngine, queries: list[ItemQuery], size: int
) -> tuple[float, list[FoundItems]]:
    """Return seconds, the first batch left out, and what was found."""
    engine.items(queries[:size], K)
    start = time.perf_counter()
    found = [
        one
        for place in range(0, len(queries), size)
        for one in engine.items(queries[place : place + size], K)
    ]
    return time.perf_counter() - start, found


def overlap(found: list[FoundItems], exact: list[FoundItems]) -> float:
    """Return which share of the first items is the same."""
    pairs = zip(found, exact, strict=True)
    return sum(len(set(one.rows) & set(other.rows)) for one, other in pairs) / (K * len(exact))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--users", type=int, default=40, help="to tune on")
    parser.add_argument("--asked", type=int, default=96, help="other users")
    arguments = parser.parse_args()
    run = load_run(arguments.base)
    histories = list(Dataset.load(arguments.data).histories("train"))
    drawn = random.Random(0).sample(histories, arguments.users + arguments.asked)
    learned, asked = drawn[: arguments.users], drawn[arguments.users :]
    items = ItemLoss(run.vocabulary, run.table.codes, run.encoder.opening)
    samples = list(stream_samples(learned, run.encoder))
    tokens, seconds = sum(len(sample.input_ids) for sample in samples), {}
    for name in ("float32", "bfloat16"):
        module = StreamLoss(copy.deepcopy(run.model), items, {Target.ITEM: 1.0})
        seconds[name] = train_with_ours(module, samples, run, name == "bfloat16")
        print(f"training, {name}: {tokens / seconds[name]:.0f} tokens/s", flush=True)
    print(f"training: {seconds['float32'] / seconds['bfloat16']:.2f} times", flush=True)

    tuned = replace(run, model=module.model.to(torch.bfloat16).eval())
    prompts = run.encoder.prompts([Request(history) for history in asked])
    queries = [ItemQuery(prompt) for prompt in prompts]
    kinds: tuple[Arithmetic, ...] = ("float32", "model", "rescored")
    engines = {kind: TorchEngine(tuned, num_beams=BEAMS, arithmetic=kind) for kind in kinds}
    chosen = TorchEngine(tuned, num_beams=BEAMS)._arithmetic
    print(f"auto: {'bfloat16' if chosen is nullcontext else 'float32'}")
    for size in (16, 1):
        known = queries if size > 1 else queries[:16]
        measured = {kind: search(engine, known, size) for kind, engine in engines.items()}
        for kind, (taken, found) in measured.items():
            print(
                f"search, {size} at once, {kind}: {len(known) / taken:.2f} users/s, "
                f"{measured['float32'][0] / taken:.2f} times, overlap@{K} "
                f"{overlap(found, measured['float32'][1]):.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
