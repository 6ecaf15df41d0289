"""How well are planted trends told, by how much there is to see?

    python benchmarks/trends.py
    python benchmarks/trends.py --index runs/windows/ml100k/index

Toy worlds of more and more events. Beside the rule, which is trained on nothing: gradient boosting
trained on the planted labels (cross-validated, users kept together), for what the events can tell
at all; and the rule on the same events in shuffled order, where whatever moves is chance: what it
calls moving, and what it calls moving at a chance of at most 5%. With ``--index`` the same of logs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from genrec.artifacts import find_parent
from genrec.data import Dataset
from genrec.data.toy.catalogue import theme_of
from genrec.data.toy.world import ToyConfig, draw_world
from genrec.interests.profile.trend import Timeline
from genrec.progress import console, track
from genrec.schema import MIN_EVIDENCE, Trend
from genrec.semantic_ids.table import SemanticIdTable

TRENDS: tuple[Trend, ...] = ("emerging", "steady", "fading")
# Long histories need buying again, else an interest ends where the shop has no more of it. What is
# bought again follows what was bought before, so with more of it events part from what is planted.
WORLDS = [
    ToyConfig(),
    ToyConfig(events_per_user=50, repeat_rate=0.3),
    ToyConfig(events_per_user=100, repeat_rate=0.5),
]
BINS = 10
LITTLE = 0.05


@dataclass(frozen=True)
class Seen:
    """An interest's events among a user's.

    Attributes:
        timeline: All events of the user.
        places: Those of the interest, ascending.
    """

    timeline: Timeline
    places: Sequence[int]


@dataclass(frozen=True)
class Planted(Seen):
    """The events that a planted interest left.

    Attributes:
        user: Whose; counted from 0.
        trend: As planted.
    """

    user: int
    trend: Trend

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
                yield Planted(timeline, places, number, interest.trend)


def logged(index: Path) -> Iterator[Seen]:
    """Yield the interests of all users of the data that an index was made for."""
    table = SemanticIdTable.load(index)
    for history in Dataset.load(find_parent(index, "data")).histories("test"):
        events = [event for event in history.events if table.knows(event.item_id)]
        timeline = Timeline([event.timestamp for event in events])
        codes = table.first_codes(event.item_id for event in events)
        for code in np.unique(codes):
            places = np.flatnonzero(codes == code).tolist()
            if len(places) >= MIN_EVIDENCE:
                yield Seen(timeline, places)


def tell(interest: Seen) -> Trend:
    """Return the rule's label; nothing is planted that returns."""
    trend, _ = interest.timeline.trend(interest.places)
    return "steady" if trend == "returned" else trend


def chances(interests: Sequence[Seen], shuffle: bool, seed: int = 0) -> np.ndarray:
    """Return the chance given to each interest's trend, with its events anywhere if shuffled."""
    rng = np.random.default_rng(seed)
    found = []
    for one in interests:
        places = one.places
        if shuffle:
            places = np.sort(rng.permutation(len(one.timeline.weights))[: len(places)]).tolist()
        found.append(one.timeline.trend(places)[1])
    return np.array(found)


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    table = Table(title=title, box=box.SIMPLE)
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def measure_world(world: ToyConfig) -> list[str]:
    """Return a world's row: scores of the rule, of a classifier, and what chance alone moves."""
    interests = list(planted(world))
    labels = [one.trend for one in interests]
    each = f1_score(labels, [tell(one) for one in interests], labels=list(TRENDS), average=None)
    trained = cross_val_predict(
        HistGradientBoostingClassifier(learning_rate=0.05, class_weight="balanced"),
        np.stack([one.counts() for one in interests]),
        labels,
        groups=[one.user for one in interests],
        cv=GroupKFold(5),
    )
    by_chance = chances(interests, shuffle=True)
    return [
        *(str(world.events_per_user), f"{world.repeat_rate:.0%}"),
        *(f"{value:.3f}" for value in (*each, each.mean())),
        f"{f1_score(labels, trained, average='macro'):.3f}",
        *(f"{share:.1%}" for share in (np.mean(by_chance < 1), np.mean(by_chance <= LITTLE))),
    ]


def measure_log(index: Path) -> list[str]:
    """Return a log's row: how much moves as it is, and with its events shuffled."""
    interests = list(logged(index))
    told, by_chance = chances(interests, shuffle=False), chances(interests, shuffle=True)
    shares = [np.mean(told < 1), np.mean(by_chance < 1)]
    shares += [np.mean(told <= LITTLE), np.mean(by_chance <= LITTLE)]
    return [str(index), f"{len(interests):,}", *(f"{share:.1%}" for share in shares)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--index", type=Path, nargs="+", help="look at real logs instead")
    indexes = parser.parse_args().index
    if indexes:
        columns = ("index", "interests", "move", "shuffled", "at 5%", "shuffled")
        show("Interests called moving", columns, map(measure_log, indexes))
    else:
        columns = ("events", "again", *TRENDS, "mean", "trained", "shuffled", "at 5%")
        title = "Trends told: F1, and what is called moving where nothing moves"
        show(title, columns, map(measure_world, WORLDS))


if __name__ == "__main__":
    main()
