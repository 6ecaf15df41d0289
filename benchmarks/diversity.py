"""What diverse and calibrated lists cost: ours beside re-rankings of the same candidates.

    python benchmarks/diversity.py --run RUN [--users 1000] [--plot FILE] [--json FILE]

Of each test user the recommender's first ``POOL`` items are the candidates of everybody:

    diversity    the rule {"diversity": NATS}: the best list of the candidates exactly
    MMR          maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): item by item, the
                 score less NATS times the greatest likeness to an item that was taken
    calibrate    the rule {"calibrate": "popularity", "by": NATS}, likewise

for several strengths. A line for each says NDCG@10, intra-list diversity (the mean of one less the
cosine over the pairs of a list; likeness is the cosine of the vectors that semantic IDs stand for,
MMR's too), popularity lift (mean popularity of lists over that of histories, less one) and how far
the list's shares of head, middle and tail are from the history's (KL, nats). Then: at each of our
points, how much of NDCG@10 we are above MMR of the same diversity, and of the same popularity lift,
with intervals over users (bootstrap).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.plotting import BLUE, GREEN, ORANGE, picture
from genrec.recommender import Recommender
from genrec.rules import Plan, read_rules
from genrec.rules.calibration import SMOOTHING
from genrec.rules.lists import Model, rank_under
from genrec.schema import Example, Recommendation, Request
from genrec.semantic_ids.similar import id_vectors

K = 10
POOL = 100
STRENGTHS = (0.1, 0.25, 0.5, 0.75, 1.25, 2.0, 4.0)
MMR_STRENGTHS = (0.4, 1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0)
"""More, since the greatest of the likenesses is less than their sum."""
DRAWS = 1000

Lists = list[list[Recommendation]]


@dataclass
class Study:
    """Users, and the candidates of each."""

    recommender: Recommender
    examples: Sequence[Example]

    def __post_init__(self) -> None:
        requests = [
            Request(one.history, one.targets[0].timestamp, one.targets[0].event_type)
            for one in self.examples
        ]
        self.pools = self.recommender.recommend_many(requests, POOL)
        self.requests = [
            replace(request, candidates=frozenset(item.item_id for item in pool))
            for request, pool in zip(requests, self.pools, strict=True)
        ]
        table = self.recommender.table
        self.vectors = id_vectors(table)
        events = self.recommender.data.interactions("train")
        counts = dict(zip(self.recommender.data.item_index, events.item_counts, strict=True))
        self.popularity = np.array([counts.get(item_id, 0) for item_id in table.item_ids])
        attributes = self.recommender.attributes
        self.groups = np.array(
            [attributes.texts("popularity", row)[0] for row in range(len(table))]
        )

    def rows(self, items: Sequence[Recommendation]) -> np.ndarray:
        """Return the rows of a list. Shape: (len(items),)."""
        return np.array([self.recommender.table.index_of(item.item_id) for item in items])

    def ruled(self, rule: dict[str, Any]) -> Lists:
        """Return each user's best list of the candidates under a rule."""
        plan: Plan = self.recommender.plan(read_rules([rule]))
        pools = {id(request): pool for request, pool in zip(self.requests, self.pools, strict=True)}
        lists = []
        for request in self.requests:
            pool = pools[id(request)]
            model = Model(lambda _, k, pool=pool: [pool[:k]], _none, _none)
            lists += rank_under(plan, [request], K, model)
        return lists

    def mmr(self, nats: float) -> Lists:
        """Return each user's list as maximal marginal relevance takes it from the candidates."""
        return [self._mmr(pool, nats) for pool in self.pools]

    def _mmr(self, pool: Sequence[Recommendation], nats: float) -> list[Recommendation]:
        vectors = self.vectors[self.rows(pool)]
        likeness = vectors @ vectors.T
        scores = np.array([item.score for item in pool])
        taken: list[int] = []
        for _ in range(K):
            gains = scores - nats * (likeness[:, taken].max(axis=1) if taken else 0.0)
            gains[taken] = -np.inf
            taken.append(int(np.argmax(gains)))
        return [pool[place] for place in taken]

    def measure(self, lists: Lists) -> dict[str, np.ndarray]:
        """Return each measure of each user's list. Shape of each: (users,)."""
        found: dict[str, list[float]] = {"ndcg": [], "ild": [], "lift": [], "kl": []}
        table = self.recommender.table
        for example, items in zip(self.examples, lists, strict=True):
            target = example.targets[0].item_id
            ranks = [rank for rank, item in enumerate(items) if item.item_id == target]
            found["ndcg"].append(float(1 / np.log2(ranks[0] + 2)) if ranks else 0.0)
            rows = self.rows(items)
            likeness = self.vectors[rows] @ self.vectors[rows].T
            found["ild"].append(1 - float(likeness[np.triu_indices(K, 1)].mean()))
            had = table.rows_of(event.item_id for event in example.history.events)
            found["lift"].append(self.popularity[rows].mean() / self.popularity[had].mean() - 1)
            found["kl"].append(sum(self._divergences(had, rows)))
        return {name: np.array(values) for name, values in found.items()}

    def _divergences(self, had: Sequence[int], shown: np.ndarray) -> Iterator[float]:
        for group in np.unique(self.groups):
            wanted, is_shown = np.mean(self.groups[had] == group), self.groups[shown] == group
            if wanted:
                share = (1 - SMOOTHING) * is_shown.mean() + SMOOTHING * wanted
                yield float(wanted * np.log(wanted / share))


def _none(*_: object) -> Any:
    raise AssertionError("all candidates are known")


def above(
    ours: dict[str, np.ndarray], theirs: Sequence[dict[str, np.ndarray]], axis: str
) -> tuple[float, float, float] | None:
    """Return by how much of NDCG we are above a curve at our place of an axis, and its interval.

    None where the curve does not reach our place.
    """
    rng = np.random.default_rng(0)
    users = len(ours["ndcg"])
    differences = []
    for draw in range(DRAWS + 1):
        some = slice(None) if draw == 0 else rng.integers(users, size=users)
        place = ours[axis][some].mean()
        points = sorted((one[axis][some].mean(), one["ndcg"][some].mean()) for one in theirs)
        places, heights = zip(*points, strict=True)
        if draw == 0 and not places[0] <= place <= places[-1]:
            return None
        differences.append(ours["ndcg"][some].mean() - np.interp(place, places, heights))
    low, high = np.quantile(differences[1:], [0.025, 0.975])
    return float(differences[0]), float(low), float(high)


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    recommender = Recommender.from_pretrained(options.run, "cpu", num_beams=POOL)
    examples = [one for one in recommender.data.examples("test") if one.history.events]
    chosen = np.random.default_rng(options.seed).permutation(len(examples))[: options.users]
    study = Study(recommender, [examples[place] for place in sorted(chosen)])
    ways: dict[str, Callable[[float], Lists]] = {
        "diversity": lambda nats: study.ruled({"diversity": nats}),
        "calibrate": lambda nats: study.ruled({"calibrate": "popularity", "by": nats}),
        "MMR": study.mmr,
    }
    plain = study.measure([pool[:K] for pool in study.pools])
    print(f"{len(study.examples)} users, {POOL} candidates each")
    print("way        nats   ndcg@10     ILD    lift      KL")
    curves: dict[str, list[dict[str, np.ndarray]]] = {}
    for name, way in ways.items():
        curves[name] = []
        for nats in (0.0, *(MMR_STRENGTHS if name == "MMR" else STRENGTHS)):
            found = study.measure(way(nats)) if nats else plain
            curves[name].append(found)
            means = "  ".join(f"{values.mean():+.4f}" for values in found.values())
            print(f"{name:9} {nats:5.2f}  {means}", flush=True)
    for name, axis in (("diversity", "ild"), ("calibrate", "lift")):
        for nats, found in zip(STRENGTHS, curves[name][1:], strict=True):
            if (told := above(found, curves["MMR"], axis)) is not None:
                print(f"{name} {nats:4.2f} above MMR at equal {axis}: "
                      f"{told[0]:+.4f} ({told[1]:+.4f} to {told[2]:+.4f})")  # fmt: skip
    if options.plot is not None:
        draw(curves, options.plot)
    if options.json is not None:
        found_means = {
            name: [{key: float(values.mean()) for key, values in one.items()} for one in curve]
            for name, curve in curves.items()
        }
        options.json.write_text(json.dumps(found_means, indent=2) + "\n", encoding="utf-8")


def draw(curves: dict[str, list[dict[str, np.ndarray]]], path: Path) -> None:
    """Draw NDCG@10 against diversity and against popularity lift."""
    axes_names = {"ild": "intra-list diversity", "lift": "popularity lift"}
    colours = {"diversity": BLUE, "calibrate": GREEN, "MMR": ORANGE}
    with picture(path, (10, 4)) as figure:
        for ax, (axis, label) in zip(
            figure.subplots(1, 2, sharey=True), axes_names.items(), strict=True
        ):
            for name, curve in curves.items():
                places = [one[axis].mean() for one in curve]
                heights = [one["ndcg"].mean() for one in curve]
                ax.plot(places, heights, marker="o", markersize=4, color=colours[name], label=name)
            ax.set_xlabel(label)
            ax.spines[["top", "right"]].set_visible(False)
        figure.axes[0].set_ylabel("NDCG@10")
        figure.axes[0].legend(frameon=False)


if __name__ == "__main__":
    main()
