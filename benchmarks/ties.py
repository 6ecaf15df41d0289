"""How much of an accuracy rests on the file's order of events that share a time?

Of saved evaluations ROOT/DATA SET/RANKER/SEED/ (as `make bench-beauty` leaves them): recall@10 and
NDCG@10, seen items filtered, of users whose held-out event shares its time with the one before it,
and of the others.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from genrec.artifacts import find_parent
from genrec.data import Dataset
from genrec.evaluate.saved import find_evaluations, load_evaluation

METRICS = ("recall@10", "ndcg@10")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="such as runs/results/amazon14_beauty")
    root = parser.parse_args().root
    rankers: dict[str, list] = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        saved = [load_evaluation(path) for path in find_evaluations(folder)]
        rankers[folder.name] = [(each, each.rankers[0]) for each in saved]
        for floor in saved[0].rankers[1:]:
            rankers.setdefault(floor, [(saved[0], floor)])
    first = next(iter(rankers.values()))[0][0]
    data = Dataset.load(find_parent(first.path, "data"))
    tied = {
        example.history.user_id: example.history.events[-1].timestamp
        == example.targets[0].timestamp
        for example in data.examples(first.report["split"])
        if example.history.events
    }
    table = Table(title="seen filtered, mean of seeds")
    for title in ("", "share of users", *METRICS):
        table.add_column(title, justify="right" if title else "left")
    for wanted, words in ((True, "shares the time of the event before"), (False, "comes later")):
        table.add_row(f"[bold]target {words}[/bold]")
        for name, saved in rankers.items():
            means = []
            for evaluation, ranker in saved:
                asked = [tied.get(str(user)) is wanted for user in evaluation.arrays["user_ids"]]
                found = evaluation.per_user(ranker, filter_seen=True)
                means.append([np.mean(asked), *(found[metric][asked].mean() for metric in METRICS)])
            share, *accuracies = np.mean(means, axis=0)
            table.add_row(name, f"{share:.1%}", *(f"{value:.4f}" for value in accuracies))
        table.add_section()
    Console().print(table)


if __name__ == "__main__":
    main()
