"""Can items be recommended that training never met, on any log?

    python benchmarks/new_items.py --events FILE --items FILE --out DIR

Every tenth titled item (IDs sorted as text, from the sixth) is taken out of the log; what is left
goes through the default recipe: prepare, index, base, pretrain. Then the items come back through
`Recommender.add_items`. Each user who took such an item, with at least three older events before
it, is asked for the last one they took ("new") and for the last other item ("old"), at its time,
from the older events before it; the whole catalogue is ranked, without items the user has seen.

Rankers: genrec, also before the new items came, which shows what the old ones pay; the likeness of
TF-IDF and of MiniLM vectors to the last five items; SASRec, which can rank no item it never met.
`--boosts 0,1,2` also prints what genrec does under other settings of `new_item_boost`. The last
line is JSON: R@10 and N@10 with 95% intervals, and what genrec has more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from genrec.baselines.sasrec import SasRec
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.evaluate.bootstrap import intervals, paired_difference
from genrec.metrics import ndcg_of_ranks
from genrec.recommender import Recommender
from genrec.schema import History, Item, Ranker, Request
from genrec.semantic_ids.config import TextConfig
from genrec.semantic_ids.encoders import HubEncoder
from genrec.semantic_ids.linear import normalize_rows

EVERY, FIRST = 10, 5
FEWEST_BEFORE = 3
K = 10
RECENT = 5
BEFORE = "genrec before"
"""Without the new items in the catalogue."""

Question = tuple[Request, str]


def take_out(data: Dataset, out: Path) -> list[Item]:
    """Write the log without every tenth titled item into ``out``; return these items."""
    titled = sorted((item for item in data.items if item.title), key=lambda item: item.item_id)
    new = titled[FIRST::EVERY]
    gone = {item.item_id for item in new}
    with (out / "items.jsonl").open("w", encoding="utf-8") as file:
        kept = (item for item in data.items if item.item_id not in gone)
        file.writelines(json.dumps(asdict(item)) + "\n" for item in kept)
    with (out / "events.jsonl").open("w", encoding="utf-8") as file:
        for history in data.histories("test"):
            for event in history.events:
                if event.item_id not in gone:
                    file.write(json.dumps(asdict(event)) + "\n")
    return new


def train(out: Path, sets: Sequence[str], launcher: str) -> Path:
    """Run the stages of the default recipe on what is left."""
    data, index, base, trained = (out / name for name in ("data", "index", "base", "pretrain"))
    files = ("--events", out / "events.jsonl", "--items", out / "items.jsonl")
    if (trained / "manifest.json").exists():
        return trained
    run("-m", "genrec.cli", "prepare", *files, "--out", data)
    run("-m", "genrec.cli", "index", "--data", data, "--out", index)
    run("-m", "genrec.cli", "base", "--data", data, "--index", index, "--out", base)
    run(
        *("-m", "accelerate.commands.launch", "--config_file", launcher, "train/pretrain.py"),
        *("--config", "train/configs/pretrain.yaml"),
        *(f"data={data}", f"base={base}", f"out={trained}", *sets),
    )
    return trained


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], check=True)


def questions(histories: Iterable[History], gone: set[str]) -> dict[str, list[Question]]:
    """Return what is asked about new and old items; histories hold old items only."""
    asked: dict[str, list[Question]] = {"new": [], "old": []}
    for history in histories:
        events = history.events
        is_new = [event.item_id in gone for event in events]
        fresh = [
            place
            for place, new in enumerate(is_new)
            if new and place - sum(is_new[:place]) >= FEWEST_BEFORE
        ]
        if not fresh:
            continue
        last_old = max(place for place, new in enumerate(is_new) if not new)
        for group, place in (("new", fresh[-1]), ("old", last_old)):
            before = tuple(event for event in events[:place] if event.item_id not in gone)
            target = events[place]
            if target.item_id not in {event.item_id for event in before}:
                request = Request(
                    replace(history, events=before), target.timestamp, target.event_type
                )
                asked[group].append((request, target.item_id))
    return asked


class Likeness:
    """Ranks items by the mean cosine of their text vectors with those of the last events."""

    def __init__(self, item_ids: Sequence[str], vectors: np.ndarray) -> None:
        self._row = {item_id: row for row, item_id in enumerate(item_ids)}
        self._vectors = normalize_rows(vectors)

    def rank_of(self, request: Request, target: str) -> int:
        """Return the rank of an item among those that were not seen."""
        seen = [self._row[event.item_id] for event in request.history.events]
        scores = self._vectors @ self._vectors[seen[-RECENT:]].mean(axis=0)
        scores[seen] = -np.inf
        return int((scores > scores[self._row[target]]).sum()) + 1


def ranks_by(ranker: Ranker, asked: Sequence[Question]) -> np.ndarray:
    """Return the rank of each target, 0 where it is not among the first ten."""
    answers = ranker.rank_many([request for request, _ in asked], K)
    return np.array(
        [
            next((found.rank for found in answer if found.item_id == target), 0)
            for answer, (_, target) in zip(answers, asked, strict=True)
        ]
    )


def minilm_vectors(items: Sequence[Item]) -> np.ndarray | None:
    """Return MiniLM's vectors; None where it is not installed."""
    try:
        return HubEncoder.fit(items, TextConfig(encoder="minilm", dims=384))[1]
    except ConfigError as error:
        print(f"MiniLM is left out: {error}", file=sys.stderr)
        return None


def figures_of(ranks: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "recall@10": ((ranks > 0) & (ranks <= K)).astype(float),
        "ndcg@10": ndcg_of_ranks(ranks, K),
    }


def rounded(interval: Any) -> list[float]:
    return [round(value, 4) for value in (interval.mean, interval.low, interval.high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--boosts", default="", help="further settings of new_item_boost to try")
    parser.add_argument("--launcher", default="train/accelerate/cpu.yaml")
    parser.add_argument("--no-sasrec", action="store_true", help="leave SASRec out")
    parser.add_argument("set", nargs="*", help="settings of the training, such as epochs=4")
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    whole = out / "whole"
    if not (whole / "manifest.json").exists():
        run(*("-m", "genrec.cli", "prepare", "--events", arguments.events),
            *("--items", arguments.items, "--out", whole))  # fmt: skip
    data = Dataset.load(whole)
    new = take_out(data, out)
    asked = questions(data.histories("test"), {item.item_id for item in new})
    if not asked["new"]:
        sys.exit(
            f"error: {arguments.events}: nobody took one of the {len(new)} items that would be new "
            f"(every tenth with a title), with at least {FEWEST_BEFORE} older events before it"
        )
    trained = train(out, arguments.set, arguments.launcher)
    kept = Dataset.load(out / "data")
    items = [*kept.items, *new]
    ids = [item.item_id for item in items]

    nothing = np.zeros(len(asked["new"]), dtype=int)
    found: dict[str, dict[str, np.ndarray]] = {}
    boosts = [None, *(float(value) for value in arguments.boosts.split(",") if value)]
    for boost in boosts:
        recommender = Recommender.from_pretrained(trained, new_item_boost=boost)
        if boost is None:
            found[BEFORE] = {"new": nothing, "old": ranks_by(recommender, asked["old"])}
        recommender.add_items(new)
        name = "genrec" if boost is None else f"genrec, boost {boost:g}"
        found[name] = {group: ranks_by(recommender, each) for group, each in asked.items()}
    encoder = recommender.table.encoder
    likeness = {
        "tfidf": None if encoder is None else encoder.encode_text(items),
        "minilm": minilm_vectors(items),
    }
    for name, vectors in likeness.items():
        if vectors is not None:
            ranker = Likeness(ids, vectors)
            found[name] = {
                group: np.array([ranker.rank_of(*question) for question in each])
                for group, each in asked.items()
            }
    if not arguments.no_sasrec:
        sasrec = SasRec.fit(kept)
        found["sasrec"] = {"new": nothing, "old": ranks_by(sasrec, asked["old"])}

    table = Table("ranker", "asked for", "R@10", "N@10", title=f"{len(ids)} items, {len(new)} new")
    figures: dict[str, Any] = {
        "items": len(ids), "new_items": len(new),
        "asked": {group: len(each) for group, each in asked.items()},
    }  # fmt: skip
    for name, groups in found.items():
        figures[name] = {}
        for group, ranks in groups.items():
            measured = {k: rounded(v) for k, v in intervals(figures_of(ranks)).items()}
            figures[name][group] = measured
            table.add_row(
                name, group, *(f"{m:.4f} ({a:.4f} to {b:.4f})" for m, a, b in measured.values())
            )
    for name, group in [(BEFORE, "old"), *((name, "new") for name in likeness)]:
        if name in found:
            ours, other = (figures_of(found[which][group]) for which in ("genrec", name))
            figures[f"genrec - {name}, {group}"] = {
                metric: rounded(paired_difference(ours[metric], other[metric])) for metric in ours
            }
    Console(width=100).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
