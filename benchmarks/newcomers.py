"""Do people who say who they are, and did nothing yet, get what they take first?

    python benchmarks/newcomers.py --run runs/demo/sft --toy runs/demo/raw

The toy world is drawn on: people whom the run has never met, each with a description and with what
they would do. The target is the first of it. Beside the run: the run told nothing, popularity, and
an oracle that knows everybody's planted interests, the most that any ranker can reach.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genrec.baselines.popularity import Popularity
from genrec.data.clean import clean_about
from genrec.data.toy.catalogue import load_catalogue
from genrec.data.toy.files import read_config
from genrec.data.toy.shopper import Shopper
from genrec.data.toy.world import ToyConfig, ToyUser, draw_newcomers
from genrec.evaluate.bootstrap import intervals, paired_difference
from genrec.recommender import Recommender
from genrec.schema import History, Recommendation, Request

K = 10
NAME = "newcomer"
"""Of everybody who is asked for: in no log."""


def hits(lists: Sequence[Sequence[Recommendation]], people: Sequence[ToyUser]) -> np.ndarray:
    """Tell whose list holds what they take first."""
    return np.array([
        any(item.item_id == person.events[0].item_id for item in items)
        for items, person in zip(lists, people, strict=True)
    ], dtype=float)  # fmt: skip


def oracle_hits(people: Sequence[ToyUser], config: ToyConfig) -> np.ndarray:
    """Tell the same of the items that the generator finds likeliest."""
    catalogue, found = load_catalogue(config.num_themes), []
    for person in people:
        shopper = Shopper(catalogue.brands, person.interests, config.repeat_rate)
        first = person.events[0]
        chances = shopper.probabilities(first.timestamp, first.event_type or "")
        best = np.argsort(-chances, kind="stable")[:K]
        found.append(catalogue.index_of[first.item_id] in best)
    return np.array(found, dtype=float)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--toy", type=Path, required=True, help="the world that the run is of")
    parser.add_argument("--people", type=int, default=1000)
    arguments = parser.parse_args()
    config = read_config(arguments.toy).model_copy(update={"num_newcomers": arguments.people})
    people = list(draw_newcomers(config))
    recommender = Recommender.from_pretrained(arguments.run, "cpu")

    def asked(about: bool) -> list[Request]:
        return [
            Request(
                History(NAME, (), about=clean_about(person.about or "") if about else None),
                person.events[0].timestamp,
                person.events[0].event_type,
            )
            for person in people
        ]

    popularity = Popularity.fit(recommender.data)
    found = {
        "described": hits(recommender.rank_many(asked(True), K), people),
        "told nothing": hits(recommender.rank_many(asked(False), K), people),
        "popularity": hits(popularity.rank_many(asked(False), K), people),
        "oracle": oracle_hits(people, config),
    }
    print(f"{len(people)} newcomers, R@{K}")
    for name, each in found.items():
        mean = intervals({name: each})[name]
        print(f"{name:13} {mean.mean:.3f} ({mean.low:.3f} to {mean.high:.3f})")
    lead = paired_difference(found["described"], 2 * found["popularity"])
    ratio = found["described"].mean() / found["popularity"].mean()
    print(
        f"described: {ratio:.2f} times popularity, above twice it by {lead.mean:+.3f} "
        f"({lead.low:+.3f} to {lead.high:+.3f})"
    )


if __name__ == "__main__":
    main()
