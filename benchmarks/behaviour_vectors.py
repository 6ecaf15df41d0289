"""Behaviour vectors by truncated SVD against graph propagation, before any model is trained.

    python benchmarks/behaviour_vectors.py --data ../shared/data/amazon18_scientific

Fits on training events and asks about the validation target of every user (the split that settings
are chosen on). Prints one JSON object a data set, a row for each method:

- next_item_r10: target among the 10 nearest to a fading mean of the last 5 items, seen ones out.
- pair_r10: target among the 10 nearest to the last item alone: a co-occurrence held out.
- purity: share of an item's 10 nearest of the same finest category (null without categories).
- code_hit: whether the target's first code, in an index made so with text and default settings, is
  that of one of the last 5 items; code_hit_by_chance: the same for targets of other users;
  code_perplexity: first codes in use, weighed by events.

Intervals are 95%, of the paired difference to "svd", from 1,000 bootstrap samples of users.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.semantic_ids.behaviour import behaviour_vectors
from genrec.semantic_ids.build import BehaviourConfig, IndexConfig, build_table

CONFIGS = {"svd": BehaviourConfig()} | {
    f"propagation, {layers} layers": BehaviourConfig(method="propagation", layers=layers)
    for layers in (1, 2, 3, 4)
}
INDEXED = ("svd", "propagation, 3 layers")
LAST, K, FADE = 5, 10, 0.7


def questions(data: Dataset) -> list[tuple[list[int], int]]:
    index = data.item_index
    return [
        ([index[e.item_id] for e in example.history.events], index[example.targets[0].item_id])
        for example in data.examples("valid")
    ]


def hits(vectors: np.ndarray, asked: list, last: int, seen_out: bool) -> np.ndarray:
    found = []
    for start in range(0, len(asked), 512):
        part = asked[start : start + 512]
        queries = np.stack(
            [sum(vectors[i] * FADE**n for n, i in enumerate(h[::-1][:last])) for h, _ in part]
        )
        scores = queries @ vectors.T
        for row, (history, target) in enumerate(part):
            scores[row, history if seen_out else history[-1]] = -np.inf
            found.append(target in np.argpartition(-scores[row], K)[:K])
    return np.array(found, float)


def purity(vectors: np.ndarray, data: Dataset) -> float | None:
    names = [item.categories[-1] if item.categories else None for item in data.items]
    _, category = np.unique([name or "" for name in names], return_inverse=True)
    rows = np.flatnonzero([name is not None for name in names] & vectors.any(axis=1))
    shares = []
    for part in np.array_split(rows, max(1, len(rows) // 512)):
        scores = vectors[part] @ vectors.T
        scores[np.arange(len(part)), part] = -np.inf
        nearest = np.argpartition(-scores, K, axis=1)[:, :K]
        shares.append((category[nearest] == category[part][:, None]).mean(axis=1))
    return round(float(np.concatenate(shares).mean()), 4) if len(rows) else None


def codes(data: Dataset, behaviour: BehaviourConfig, asked: list) -> dict:
    first = build_table(data, IndexConfig(behaviour=behaviour)).codes[:, 0]
    recent = [set(first[history[-LAST:]].tolist()) for history, _ in asked]
    targets = first[[target for _, target in asked]]
    others = np.random.default_rng(0).permutation(targets)
    events = first[data.interactions("train").item_index]
    shares = np.bincount(events) / len(events)
    entropy = -(shares[shares > 0] * np.log(shares[shares > 0])).sum()
    return {
        "code_hit": round(np.mean([t in r for t, r in zip(targets, recent, strict=True)]), 4),
        "code_hit_by_chance": round(
            np.mean([t in r for t, r in zip(others, recent, strict=True)]), 4
        ),
        "code_perplexity": round(float(np.exp(entropy)), 1),
    }


def interval(difference: np.ndarray) -> list[float]:
    rng = np.random.default_rng(0)
    means = [difference[rng.integers(len(difference), size=len(difference))].mean()
             for _ in range(1000)]  # fmt: skip
    return [round(float(q), 4) for q in np.quantile(means, (0.025, 0.975))]


def compare(data: Dataset) -> dict:
    asked, found = questions(data), {}
    for name, config in CONFIGS.items():
        vectors = behaviour_vectors(data.interactions("train"), config, seed=0)
        following = hits(vectors, asked, LAST, seen_out=True)
        pairs = hits(vectors, asked, 1, seen_out=False)
        if name == "svd":
            base = (following, pairs)
        found[name] = {
            "next_item_r10": round(following.mean(), 4),
            "next_item_gain": interval(following - base[0]),
            "pair_r10": round(pairs.mean(), 4),
            "pair_gain": interval(pairs - base[1]),
            "purity": purity(vectors, data),
        }
        if name in INDEXED:
            found[name] |= codes(data, config, asked)
    return {"users": len(asked), "methods": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of raw data")
    for folder in parser.parse_args().data:
        with tempfile.TemporaryDirectory() as name:
            out = Path(name) / "data"
            prepare(folder / "events.csv.gz", folder / "items.jsonl.gz", out, PrepareConfig())
            print(json.dumps({"data": folder.name} | compare(Dataset.load(out)), indent=1))


if __name__ == "__main__":
    main()
