"""Can items be recommended that training never met?

    python benchmarks/new_items.py --out runs/new_items

Every tenth item of a toy world is taken out of catalogue and events; the rest goes through every
stage of `make demo` up to pretraining. Then the items come back through `Recommender.add_items`,
and for each user the first event of such an item is asked for, at its time, with the events before
it. As many events of old items are asked too, since what new items gain the old ones lose.

Four rankers answer: the model as it is; the model with an ID's tokens taken as it knows them
(without the equal share of `genrec.decode.scores`); the same items ranked by the likeness of
their text to the user's last events; and chance.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from genrec.data import Dataset
from genrec.engines.torch import TorchEngine
from genrec.model.load import load_run
from genrec.recommender import Recommender
from genrec.schema import Event, History, Item, Recommendation, Request

EVERY = 10
K = 10
RECENT = 5


def read_toy(folder: Path) -> tuple[list[dict[str, str]], list[dict[str, object]]]:
    with gzip.open(folder / "events.csv.gz", "rt", encoding="utf-8", newline="") as file:
        events = list(csv.DictReader(file))
    with gzip.open(folder / "items.jsonl.gz", "rt", encoding="utf-8") as file:
        return events, [json.loads(line) for line in file]


def train_without(new: set[str], out: Path, num_users: int) -> None:
    """Run the stages of the demo on what is left of the toy world."""
    run("-m", "genrec.cli", "toy", "--out", out / "raw", "--set", f"num_users={num_users}")
    events, items = read_toy(out / "raw")
    with (out / "events.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(events[0]))
        writer.writeheader()
        writer.writerows(event for event in events if event["item_id"] not in new)
    with (out / "items.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(item) + "\n" for item in items if item["item_id"] not in new)
    files = ("--events", out / "events.csv", "--items", out / "items.jsonl")
    run("-m", "genrec.cli", "prepare", *files, "--out", out / "data")
    run("-m", "genrec.cli", "index", "--data", out / "data", "--out", out / "index")
    run(
        *("-m", "genrec.cli", "base", "--data", out / "data", "--index", out / "index"),
        *("--out", out / "base", "--config", "train/configs/demo_base.yaml"),
    )
    run(
        *("-m", "accelerate.commands.launch", "--config_file", "train/accelerate/cpu.yaml"),
        *("train/pretrain.py", "--config", "train/configs/demo_pretrain.yaml"),
        *(f"data={out / 'data'}", f"base={out / 'base'}", f"out={out / 'pretrain'}"),
        *("epochs=8", "validation.every_epochs=4"),
    )


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True)


def questions(
    events: list[dict[str, str]], new: set[str]
) -> tuple[list[tuple[Request, str]], list[tuple[Request, str]]]:
    """Return for each user one request whose answer is a new item, and one with an old one.

    Histories hold old items only, so both ask for the item that follows what training could see.
    """
    by_user: dict[str, list[dict[str, str]]] = {}
    for event in events:
        by_user.setdefault(event["user_id"], []).append(event)
    asked: tuple[list[tuple[Request, str]], list[tuple[Request, str]]] = ([], [])
    for user, rows in by_user.items():
        rows.sort(key=lambda row: int(row["timestamp"]))
        fresh = [place for place, row in enumerate(rows) if row["item_id"] in new and place >= 8]
        if not fresh:
            continue
        # The last events of a user are test and validation: no model was trained on them.
        last_old = max(place for place, row in enumerate(rows) if row["item_id"] not in new)
        for group, place in zip(asked, (fresh[-1], last_old), strict=True):
            before = tuple(
                Event(
                    user, row["item_id"], int(row["timestamp"]), row["event_type"],
                    float(row["rating"]) if row["rating"] else None, row["title"] or None,
                    row["review"] or None,
                )
                for row in rows[:place]
                if row["item_id"] not in new
            )  # fmt: skip
            row = rows[place]
            request = Request(History(user, before), int(row["timestamp"]), row["event_type"])
            if row["item_id"] not in {event.item_id for event in before}:
                group.append((request, row["item_id"]))
    return asked


class TextLikeness:
    """Ranks items by the likeness of their text vectors to those of the last events."""

    def __init__(self, items: list[Item], recommender: Recommender) -> None:
        encoder = recommender.table.encoder
        assert encoder is not None
        self._ids = [item.item_id for item in items]
        self._place = {item_id: place for place, item_id in enumerate(self._ids)}
        self._vectors = encoder.encode(items)

    def rank_many(self, requests: list[Request], k: int) -> list[list[Recommendation]]:
        """See ``schema.Ranker``."""
        answers = []
        for request in requests:
            seen = [self._place[event.item_id] for event in request.history.events]
            scores = self._vectors @ self._vectors[seen[-RECENT:]].mean(axis=0)
            scores[seen] = -np.inf
            best = np.argsort(-scores, kind="stable")[:k]
            answers.append(
                [Recommendation(self._ids[row], rank, float(scores[row]))
                 for rank, row in enumerate(best, start=1)]
            )  # fmt: skip
        return answers


def measure(ranker, asked: list[tuple[Request, str]]) -> dict[str, float]:
    answers = ranker.rank_many([request for request, _ in asked], K)
    ranks = [
        next((found.rank for found in answer if found.item_id == target), 0)
        for answer, (_, target) in zip(answers, asked, strict=True)
    ]
    gains = [1 / np.log2(rank + 1) if rank else 0.0 for rank in ranks]
    return {"recall@10": float(np.mean(np.array(ranks) > 0)), "ndcg@10": float(np.mean(gains))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/new_items"))
    parser.add_argument("--users", type=int, default=400)
    arguments = parser.parse_args()
    out = arguments.out
    names = [f"P{number:03d}" for number in range(1, 241)]
    new = set(names[EVERY // 2 :: EVERY])
    if not (out / "pretrain" / "manifest.json").exists():
        train_without(new, out, arguments.users)
    events, rows = read_toy(out / "raw")
    items = [Item(**{**row, "categories": tuple(row["categories"])}) for row in rows]
    loaded = load_run(out / "pretrain")
    engine = TorchEngine(loaded)
    recommender = Recommender(loaded, engine, Dataset.load(out / "data"))
    recommender.add_items([item for item in items if item.item_id in new])
    asked_new, asked_old = questions(events, new)
    figures: dict[str, object] = {
        "new_items": len(new), "items": len(items),
        "asked_new": len(asked_new), "asked_old": len(asked_old),
    }  # fmt: skip
    rankers = {"model": recommender, "text likeness": TextLikeness(items, recommender)}
    for name, ranker in rankers.items():
        figures[name] = {"new": measure(ranker, asked_new), "old": measure(ranker, asked_old)}
    engine.replace_table(replace(recommender.table, seen_in_training=None))
    figures["model without the equal share"] = {
        "new": measure(recommender, asked_new), "old": measure(recommender, asked_old)
    }  # fmt: skip
    figures["chance"] = {"recall@10": K / len(items)}
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
