"""What bfloat16 buys on this processor: training and search beside float32, and what it changes.

    python -m benchmarks.arithmetic --data DATA --base BASE [--users 40] [--asked 100]
    python -m benchmarks.arithmetic --run RUN [--asked 300]

Tunes copies of a base on every training event of the same users once, in float32 and under
bfloat16's autocast. The latter then holds its weights in bfloat16, and is asked for other users'
items under every arithmetic. Prints what ``auto`` chooses, and how many of the first ten items are
those that the same weights find in float32. A run that was trained to the end is asked right away,
with its SASRec head and without.
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
from torch import nn

from benchmarks.trainer_speed import train_with_ours
from genrec.data import Dataset
from genrec.devices import Arithmetic
from genrec.engines.base import FoundItems, ItemQuery
from genrec.engines.torch import TorchEngine
from genrec.model.item_loss import ItemLoss
from genrec.model.load import LoadedRun, load_run
from genrec.model.loss import StreamLoss, Target
from genrec.schema import History, ModelSettings, Request
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


def tune(run: LoadedRun, learned: list[History]) -> nn.Module:
    """Tune a copy in each kind of number, print how fast, and return that of bfloat16."""
    items = ItemLoss(run.vocabulary, run.table.codes, run.encoder.opening)
    samples = list(stream_samples(learned, run.encoder))
    tokens, seconds = sum(len(sample.input_ids) for sample in samples), {}
    for name in ("float32", "bfloat16"):
        module = StreamLoss(copy.deepcopy(run.model), items, {Target.ITEM: 1.0})
        seconds[name] = train_with_ours(module, samples, run, name == "bfloat16")
        print(f"training, {name}: {tokens / seconds[name]:.0f} tokens/s", flush=True)
    print(f"training: {seconds['float32'] / seconds['bfloat16']:.2f} times", flush=True)
    tuned: nn.Module = module.model
    return tuned


def compare(run: LoadedRun, queries: list[ItemQuery]) -> None:
    """Ask a run under every arithmetic and print how fast and how alike."""
    kinds: tuple[Arithmetic, ...] = ("float32", "model", "rescored")
    engines = {kind: TorchEngine(run, num_beams=BEAMS, arithmetic=kind) for kind in kinds}
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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--run", type=Path, help="asked instead of what is tuned here")
    parser.add_argument("--users", type=int, default=40, help="to tune on")
    parser.add_argument("--asked", type=int, default=96, help="other users")
    arguments = parser.parse_args()
    if not arguments.run and not (arguments.data and arguments.base):
        parser.error("give --run, or --data and --base")
    run = load_run(arguments.run or arguments.base)
    data = Dataset.load(arguments.data or run.data)
    histories = list(data.histories("test" if arguments.run else "train"))
    num_learned = 0 if arguments.run else arguments.users
    drawn = random.Random(0).sample(histories, num_learned + arguments.asked)
    learned, asked = drawn[:num_learned], drawn[num_learned:]
    model = tune(run, learned) if learned else run.model
    run = replace(run, model=model.to(torch.bfloat16).eval())
    chosen = TorchEngine(run, num_beams=BEAMS)._arithmetic
    print(f"auto: {'bfloat16' if chosen is nullcontext else 'float32'}")
    prompts = run.encoder.prompts([Request(history) for history in asked])
    weights = {"the LM alone": None}
    if arguments.run:
        weights = {"with the SASRec head": None, "the LM alone": 0.0}
    for name, weight in weights.items():
        print(name)
        settings = ModelSettings(sasrec_weight=weight)
        compare(run, [ItemQuery(prompt, model=settings) for prompt in prompts])


if __name__ == "__main__":
    main()
