"""A run of one catalogue on another one, through text: what carries over?

    python -m benchmarks.cross_domain --out runs/cross_domain

A model is trained on a shop of six themes. Then `Recommender.with_catalogue` uses it on two others:

near    a shop that sells the same kinds of things under other brands and IDs, to other people
far     a shop of six other themes

Beside it, on the same questions: the same model with the IDs dealt out at random (what it knows
without text), likeness of text alone by the same frozen encoder, popularity and item-kNN fitted on
the other shop itself, and chance.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.event_files import read_events, read_items, write_events, write_items
from genrec.baselines import ItemKNN, Popularity
from genrec.baselines.scoring import count_events
from genrec.data import Dataset
from genrec.evaluate import evaluate
from genrec.recommender import Recommender
from genrec.semantic_ids.table import SemanticIdTable
from genrec.zero_shot.candidates import VectorSimilarity

OTHER_BRANDS = "Alder Birch Cedar Dogwood Elm Fir Gorse Hazel Ivy Juniper Larch Maple".split()
METRICS = ("recall@10", "ndcg@10")


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def make_shop(out: Path, num_users: int, num_themes: int, seed: int, change=None) -> Path:
    """Draw a toy shop, change its items and events, prepare it."""
    if (out / "data" / "manifest.json").exists():
        return out / "data"
    settings = {"num_users": num_users, "num_themes": num_themes, "seed": seed}
    # A search names brands, which are other ones in the other shop.
    settings["search_share"] = 0
    given = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    run("-m", "genrec.cli", "toy", "--out", out / "raw", *given)
    events = read_events(out / "raw/events.csv.gz")
    items = read_items(out / "raw/items.jsonl.gz")
    if change is not None:
        items, events = change(items, events)
    write_events(events, out / "events.csv")
    write_items(items, out / "items.jsonl")
    files = ("--events", out / "events.csv", "--items", out / "items.jsonl")
    run("-m", "genrec.cli", "prepare", *files, "--out", out / "data")
    return out / "data"


def rename(items, events):
    """Give the things other brands and other IDs."""
    brands = sorted({item["brand"] for item in items})
    other = {brand: OTHER_BRANDS[n % 12] + " & Co" * (n >= 12) for n, brand in enumerate(brands)}
    order = np.random.default_rng(0).permutation(len(items))
    ids = {item["item_id"]: f"Z{order[n]:03d}" for n, item in enumerate(items)}
    for item in items:
        brand = other[item["brand"]]
        item |= {
            "item_id": ids[item["item_id"]],
            "title": item["title"].replace(item["brand"], brand),
            "brand": brand,
        }
    for event in events:
        event["item_id"] = ids[event["item_id"]]
    return items, events


def keep_last_half(items, events):
    """Keep the six themes that the trained shop does not have."""
    items = [item for item in items if int(item["item_id"][1:]) > 120]
    kept = {item["item_id"] for item in items}
    return items, [event for event in events if event["item_id"] in kept]


def train(out: Path, data: Path, epochs: int) -> Path:
    """Run the stages of the demo up to pretraining."""
    if not (out / "pretrain/manifest.json").exists():
        run("-m", "genrec.cli", "index", "--data", data, "--out", out / "index")
        run(
            *("-m", "genrec.cli", "base", "--data", data, "--index", out / "index"),
            *("--out", out / "base", "--config", "train/configs/demo_base.yaml"),
        )
        run(
            *("-m", "accelerate.commands.launch", "--config_file", "train/accelerate/cpu.yaml"),
            *("train/pretrain.py", "--config", "train/configs/demo_pretrain.yaml"),
            *(f"data={data}", f"base={out / 'base'}", f"out={out / 'pretrain'}"),
            *(f"epochs={epochs}", f"validation.every_epochs={epochs}"),
        )
    return out / "pretrain"


def measure(ranker, data: Dataset, max_users: int | None) -> dict[str, list[float]]:
    """Return metrics with seen items filtered, as mean, low and high."""
    filtered, _ = evaluate(ranker, data, "test", k=10, max_users=max_users)
    found = filtered.intervals
    return {
        name: [round(x, 4) for x in (one.mean, one.low, one.high)] for name, one in found.items()
    }


class Named:
    """A ranker under another name."""

    def __init__(self, ranker, name: str) -> None:
        self.name = name
        self.rank_many = ranker.rank_many


def compare(trained: Path, data: Dataset, max_users: int | None) -> dict[str, object]:
    """Measure the moved run and what stands beside it."""
    recommender = Recommender.from_pretrained(trained, "cpu")
    table: SemanticIdTable = recommender.table
    recommender = recommender.with_catalogue(data)
    figures: dict[str, object] = {"items": len(data.items)}
    figures["moved by text"] = measure(recommender, data, max_users)
    placed = recommender.table
    order = np.random.default_rng(0).permutation(len(placed))
    recommender._grow(replace(placed, codes=placed.codes[order]), ())
    figures["moved at random"] = measure(Named(recommender, "random IDs"), data, max_users)
    assert table.encoder is not None
    vectors = table.encoder.text.encode(data.items)  # type: ignore[union-attr]
    text = VectorSimilarity("text likeness", data.items, count_events(data), vectors)
    for ranker in (text, Popularity.fit(data), ItemKNN.fit(data)):
        figures[ranker.name] = measure(ranker, data, max_users)
    figures["chance, recall@10"] = round(10 / len(data.items), 4)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/cross_domain"))
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--max-users", type=int)
    arguments = parser.parse_args()
    out, users = arguments.out, arguments.users
    home = make_shop(out / "home", users, 6, 0)
    trained = train(out / "home", home, arguments.epochs)
    near = make_shop(out / "near", users, 6, 1, rename)
    far = make_shop(out / "far", users, 12, 1, keep_last_half)
    figures: dict[str, object] = {}
    at_home = Recommender.from_pretrained(trained, "cpu")
    figures["home"] = measure(at_home, at_home.data, arguments.max_users)
    for name, data in (("near", near), ("far", far)):
        figures[name] = compare(trained, Dataset.load(data), arguments.max_users)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
