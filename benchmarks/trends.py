"""How well are planted trends told, by how much there is to see?

    python benchmarks/trends.py

Toy worlds of more and more events. Beside the rule, which is trained on nothing: gradient boosting
trained on the planted labels (cross-validated, users kept together), for what the events can tell
at all; and the rule on the same events in shuffled order, where whatever moves is chance: what it
calls moving, and what it calls moving at a chance of at most 5%.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from genrec.data.toy.catalogue import theme_of
from genrec.data.toy.world import ToyConfig, draw_world
from genrec.progress import console, track
from genrec.schema import Trend
from genrec.semantic_ids.profile import MIN_EVIDENCE
from genrec.semantic_ids.trend import Timeline

TRENDS: tuple[Trend, ...] = ("emerging", "steady", "fading")
# Long histories need buying again, else an interest ends where the shop has no more of it. What is
# bought again follows what was bought before, so with more of it events part from what is planted.
WORLDS = [
    ToyConfig(),
    ToyConfig(events_per_user=50, repeat_rate=0.3),
    ToyConfig(events_per_user=100, repeat_rate=0.5),
]
BINS = 10


@dataclass(frozen=True)
class Planted:
    """An interest as planted, and the events it left.

    Attributes:
        user: Whose; counted from 0.
        trend: As planted.
        timeline: All events of the user.
        places: Those of the interest, ascending.
    """

    user: int
    trend: Trend
    timeline: Timeline
    places: Sequence[int]

    def counts(self) -> np.ndarray:
        """Return what a classifier sees: events of every tenth of the time, and extremes."""
        elapsed, places = self.timeline.elapsed, list(self.places)
        every, _ = np.histogram(elapsed, BINS, (0, 1), weights=self.timeline.weights)
        mine, _ = np.histogram(elapsed[places], BINS, (0, 1), weights=self.timeline.weights[places])
        extremes = [elapsed[places[0]], elapsed[places[-1]], len(places), len(elapsed)]
        return np.concatenate([every, mine, mine / np.maximum(every, 1e-9), extremes])


def planted(config: ToyConfig) -> Iterator[Planted]:
    """Yield the interests of a world that left enough events to be seen."""
    catalogue, users = draw_world(config)
    for number, user in enumerate(track(users, "Drawing users", total=config.num_users)):
        timeline = Timeline([event.timestamp for event in user.events])
        themes = np.array([theme_of(catalogue.index_of[event.item_id]) for event in user.events])
        for interest in user.interests:
            places = np.flatnonzero(themes == interest.theme).tolist()
            if len(places) >= MIN_EVIDENCE:
                yield Planted(number, interest.trend, timeline, places)


def tell(timeline: Timeline, places: Sequence[int]) -> Trend:
    """Return the rule's label; nothing is planted that returns."""
    trend, _ = timeline.trend(places)
    return "steady" if trend == "returned" else trend


def shuffled_chances(interests: Sequence[Planted], seed: int = 0) -> np.ndarray:
    """Return the chance given to each interest's trend where its events lie anywhere."""
    rng = np.random.default_rng(seed)
    return np.array(
        [
            one.timeline.trend(
                np.sort(rng.permutation(len(one.timeline.weights))[: len(one.places)]).tolist()
            )[1]
            for one in interests
        ]
    )


def main() -> None:
    table = Table(
        title="Trends told: F1, and what is called moving where nothing moves", box=box.SIMPLE
    )
    for column in ("events", "again", *TRENDS, "mean", "trained", "shuffled", "at 5%"):
        table.add_column(column, justify="right")
    for world in WORLDS:
        interests = list(planted(world))
        labels = [one.trend for one in interests]
        told = [tell(one.timeline, one.places) for one in interests]
        each = f1_score(labels, told, labels=list(TRENDS), average=None)
        trained = cross_val_predict(
            HistGradientBoostingClassifier(learning_rate=0.05, class_weight="balanced"),
            np.stack([one.counts() for one in interests]),
            labels,
            groups=[one.user for one in interests],
            cv=GroupKFold(5),
        )
        chances = shuffled_chances(interests)
        table.add_row(
            str(world.events_per_user),
            f"{world.repeat_rate:.0%}",
            *(f"{value:.3f}" for value in each),
            f"{each.mean():.3f}",
            f"{f1_score(labels, trained, average='macro'):.3f}",
            f"{np.mean(chances < 1):.1%}",
            f"{np.mean(chances <= 0.05):.1%}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
