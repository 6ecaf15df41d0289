"""Does an update reach production only when it should? Planted drift, poison, and nothing at all.

    python benchmarks/update_guard.py --out build/update_guard

Toy worlds of 200 items in which what follows an item is planted. A run is trained on the past of a
world; then, trial by trial, new events come to a fresh store, and ``genrec update``
decides:

- good: half of the items are followed by others than before;
- same: more events of the same world, which may truly help a little;
- null: nothing to learn: all that may be learned happens in one group of items, and the newest
  events, which judge, in the other groups, whose users do what they always did; items of one group
  say nothing of another's, so that neither model is truly better but by what training on old events
  again may do;
- shuffled: every event is some other user's;
- spam: nothing has changed, but accounts of a seller praise their own items;
- labels: item IDs are those of another catalogue;
- rate: nothing has changed, but the learning rate is ten times too high.

The first is to be promoted, poison never.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from genrec.config import load_values
from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.model.base import BaseConfig, make_base
from genrec.progress import console
from genrec.schema import Event
from genrec.semantic_ids.build import IndexConfig, build_index
from genrec.serving.store import EventStore, StoredEvent, connect, migrate
from genrec.training.config import TrainConfig
from genrec.training.pretrain import pretrain
from genrec.updates.config import UpdateConfig
from genrec.updates.slices import last_time
from genrec.updates.update import Updater

ITEMS, USERS, PAST, NEW = 200, 300, 14, 6
GROUPS = 4
CHAIN_SHARE = 0.6
SELLER_ITEMS, SELLER_ACCOUNTS = 3, 150
DAY_S = 86_400
KINDS = ("good", "same", "null", "shuffled", "spam", "labels", "rate")
TINY = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_layers": 1, "num_heads": 2},
    "text_vocab_size": 400,
}
CONFIG = UpdateConfig(users=300, num_beams=20)


class World:
    """Users walk along planted successors of items, or stray within their group."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed])
        self.groups = np.arange(ITEMS) % GROUPS
        self.successors = self._draw(rng)
        self.drifted = np.where(rng.random(ITEMS) < 0.5, self._draw(rng), self.successors)

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        successors = np.empty(ITEMS, dtype=int)
        for group in range(GROUPS):
            members = np.flatnonzero(self.groups == group)
            successors[members] = rng.permutation(members)
        return successors

    def walk(
        self, rng: np.random.Generator, start: int, steps: int, successors: np.ndarray
    ) -> list[int]:
        """Return the items that come after one."""
        items = [start]
        for _ in range(steps):
            members = np.flatnonzero(self.groups == self.groups[items[-1]])
            stays = rng.random() < CHAIN_SHARE
            items.append(int(successors[items[-1]] if stays else rng.choice(members)))
        return items[1:]


def train_run(folder: Path, world: World, seed: int) -> Path:
    """Train a run on the past of a world."""
    rng = np.random.default_rng([seed, 1])
    rows = ["user_id,item_id,timestamp"]
    for user in range(USERS):
        items = world.walk(rng, int(rng.integers(ITEMS)), PAST, world.successors)
        days = np.sort(rng.integers(0, 60 * DAY_S, PAST))
        rows += [f"u{user},i{item},{day}" for item, day in zip(items, days, strict=True)]
    folder.mkdir(parents=True)
    (folder / "events.csv").write_text("\n".join(rows))
    items_file = folder / "items.jsonl"
    lines = [
        json.dumps({"item_id": f"i{item}", "title": f"Thing {item} of group {item % GROUPS}"})
        for item in range(ITEMS)
    ]
    items_file.write_text("\n".join(lines))
    prepare(folder / "events.csv", items_file, folder / "data", PrepareConfig())
    build_index(Dataset.load(folder / "data"), folder / "index", IndexConfig())
    base = load_values(BaseConfig, {"scratch": TINY})
    make_base(folder / "data", folder / "index", folder / "base", base)
    places = {"data": folder / "data", "base": folder / "base", "out": folder / "run"}
    # The head to its end: were it stopped before, any further training would be an improvement.
    settings = {**places, "epochs": 4, "sasrec": {"epochs": 400}, "trackers": []}
    pretrain(load_values(TrainConfig, settings))
    return folder / "run"


def new_events(world: World, data: Dataset, kind: str, seed: int) -> list[Event]:
    """Return what comes to the store in one trial, in the order of time."""
    rng = np.random.default_rng([seed, 2])
    now = last_time(data) + DAY_S
    successors = world.drifted if kind == "good" else world.successors
    events = []
    for history in data.histories("test"):
        last = int(history.events[-1].item_id[1:])
        count, begin, end = NEW, 0, 14
        if kind == "null":
            is_learned = world.groups[last] == 0
            count, begin, end = (4 * NEW, 0, 11) if is_learned else (NEW // 3, 11, 14)
        times = now + np.sort(rng.integers(begin * DAY_S, end * DAY_S, count))
        for item, at in zip(world.walk(rng, last, count, successors), times, strict=True):
            events.append(Event(history.user_id, f"i{item}", int(at)))
    if kind == "shuffled":
        users = rng.permutation([event.user_id for event in events])
        events = [
            replace(event, user_id=str(user)) for event, user in zip(events, users, strict=True)
        ]
    if kind == "labels":
        label = rng.permutation(ITEMS)
        events = [replace(event, item_id=f"i{label[int(event.item_id[1:])]}") for event in events]
    if kind == "spam":
        own = rng.choice(ITEMS, SELLER_ITEMS, replace=False)
        events += [
            Event(f"fan{fan}", f"i{rng.choice(own)}", int(now + rng.integers(0, 14 * DAY_S)))
            for fan in range(SELLER_ACCOUNTS)
            for _ in range(NEW)
        ]
    return sorted(events, key=lambda event: event.timestamp)


def try_update(run: Path, world: World, kind: str, seed: int) -> tuple[str, str]:
    """Post one trial's events to a fresh store and update; return decision and reason."""
    config = CONFIG.model_copy(update={"seed": seed})
    if kind == "rate":
        config = config.model_copy(update={"learning_rate": 10 * config.learning_rate})
    with TemporaryDirectory() as scratch:
        engine = connect(f"sqlite:///{scratch}/store.db")
        migrate(engine)
        events = new_events(world, Dataset.load(run.parent / "data"), kind, seed)
        EventStore(engine).add([StoredEvent(event) for event in events])
        entry = Updater(engine, run, Path(scratch) / "updates", config, device="cpu").update()
        engine.dispose()
    assert entry is not None
    return entry.decision, entry.reason


def main() -> None:
    """Run the trials and print how many of each kind were promoted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("build/update_guard"))
    parser.add_argument("--trials", type=int, default=20, help="of good, same and null")
    parser.add_argument("--poisoned", type=int, default=5, help="of each kind of poison")
    parser.add_argument("--seed", type=int, default=7000, help="of the first trial")
    parser.add_argument("--worlds", type=int, default=2)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    arguments = parser.parse_args()
    runs: list[tuple[Path, World]] = []
    for seed in range(arguments.worlds):
        world, folder = World(seed), arguments.out / f"world-{seed}"
        run = folder / "run"
        runs.append((run if run.exists() else train_run(folder, world, seed), world))
    found: list[tuple[str, str, str]] = []
    wanted = {
        kind: arguments.trials if kind in KINDS[:3] else arguments.poisoned
        for kind in arguments.kinds
    }
    with (arguments.out / "trials.jsonl").open("w") as log:
        for seed in range(max(wanted.values())):
            for kind in (kind for kind in wanted if seed < wanted[kind]):
                began = time.monotonic()
                run, world = runs[seed % len(runs)]
                decision, reason = try_update(run, world, kind, arguments.seed + seed)
                found.append((kind, decision, reason))
                line = {"kind": kind, "seed": seed, "decision": decision, "reason": reason}
                line["seconds"] = round(time.monotonic() - began, 1)
                log.write(json.dumps(line) + "\n")
                log.flush()
    console.print(report(found), markup=False)


def report(found: Sequence[tuple[str, str, str]]) -> str:
    """Return a table: trials and promotions by kind, and why the rest was refused."""
    lines = ["| update | trials | promoted | refused because |", "|---|---|---|---|"]
    for kind in dict.fromkeys(kind for kind, *_ in found):
        own = [(decision, reason) for each, decision, reason in found if each == kind]
        promoted = sum(decision == "promoted" for decision, _ in own)
        reasons = Counter(
            reason.partition(":")[0] for decision, reason in own if decision != "promoted"
        )
        why = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
        lines.append(f"| {kind} | {len(own)} | {promoted} | {why} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
