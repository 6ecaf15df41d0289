"""What the models are asked: who, by what, about which catalogue.

Enters: a run. Leaves: a saved evaluation of each column, ROW/PART-COLUMN/SEED in the folder.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.language.rows import genrec, make_tables
from benchmarks.new_items import questions, take_out
from genrec.data import Dataset
from genrec.engines.load import load_engine
from genrec.evaluate import compare, save_evaluation
from genrec.recommender import Recommender
from genrec.schema import Event, Recommendation, Request
from genrec.stream.config import ItemWordsConfig

PARTS = {"alone": 0.0, "pooled": None}
"""The causal LM alone, and with the SASRec head at the weight that training chose."""


@dataclass(frozen=True)
class Column:
    """What is asked.

    Attributes:
        title: For the page.
        last_events: How many events of each history are known; None: all.
        without: What is taken from the prompts: "reviews" or "titles".
        catalogue: That is ranked: the one of the training; the same and, in it, a tenth that
            training never met ("new"); or "other".
        strangers: Whether people are asked about who are not in the sample for training.
    """

    title: str
    last_events: int | None = None
    without: str | None = None
    catalogue: str = "own"
    strangers: bool = False


COLUMNS = {
    "all": Column("all users"),
    "last-event": Column("1 event known", 1),
    "last-2-events": Column("2 known", 2),
    "last-3-events": Column("3 known", 3),
    "new-items": Column("items never trained", catalogue="new"),
    "other-catalogue": Column("another catalogue", catalogue="other"),
    "strangers": Column("people it never met", strangers=True),
    "no-reviews": Column("reviews removed", without="reviews"),
    "no-titles": Column("titles removed", without="titles"),
}


def place(folder: Path, row: str, part: str, column: str) -> Path:
    """Return the folder of the evaluations of a row, by seed."""
    return folder / row / (part if column == "all" else f"{part}-{column}")


def make_new(folder: Path, items: Path, held_out: Sequence[str]) -> None:
    """Take a tenth of the items out of the data; write what is left, and questions about them.

    ``new/data`` and its tables are for training, ``new/asked`` holds one user for every question,
    whose last event is the item asked for.

    Args:
        folder: Has the whole ``data``.
        items: File of the whole catalogue.
        held_out: Settings of ``genrec prepare`` for the training's data.
    """
    new = folder / "new"
    if (new / "asked").exists():
        return
    new.mkdir(exist_ok=True)
    data = Dataset.load(folder / "data")
    gone = take_out(data, new)
    files = ("--events", new / "events.jsonl", "--items", new / "items.jsonl")
    genrec("prepare", *files, "--out", new / "data", *held_out)
    make_tables(new)
    asked = questions(data.histories("test"), {item.item_id for item in gone})["new"]
    with (new / "asked.jsonl").open("w", encoding="utf-8") as file:
        for request, target in asked:
            user_id, at = request.history.user_id, request.at or 0
            wanted = Event(user_id, target, at, request.event_type)
            for event in (*request.history.events, wanted):
                file.write(json.dumps(asdict(event)) + "\n")
    genrec("prepare", "--events", new / "asked.jsonl", "--items", items, "--out", new / "asked")


class WithoutReviews(Recommender):
    """Reads no reviews."""

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """See ``Recommender.rank_many``."""
        return super().rank_many([_without_reviews(request) for request in requests], k)


def _without_reviews(request: Request) -> Request:
    history = request.history
    events = tuple(replace(event, title=None, review=None) for event in history.events)
    return replace(request, history=replace(history, events=events))


def ask(
    column: Column, run: Path, weight: float | None, folder: Path, beams: int, users: int, out: Path
) -> None:
    """Ask a run, of a seeded sample of users, and save the evaluation.

    Args:
        column: What is asked.
        run: Was trained on the folder's data; without the new items, where these are asked for.
        weight: Of the SASRec head.
        folder: Has the ``data``, and ``new``, ``other`` or ``strangers`` where a column wants them.
        beams: Width of the search.
        users: Size of the sample.
        out: Of the evaluation.
    """
    loaded, engine = load_engine(run, None, beams, weight)
    if column.without == "titles":
        renderer = replace(loaded.encoder.renderer, item_words=ItemWordsConfig())
        loaded = replace(loaded, encoder=replace(loaded.encoder, renderer=renderer))
    kind = WithoutReviews if column.without == "reviews" else Recommender
    recommender = kind(loaded, engine, Dataset.load(loaded.data))
    data = recommender.data
    if column.catalogue == "new":
        data = Dataset.load(folder / "new" / "asked")
        known = recommender.data.item_index
        recommender.add_items([item for item in data.items if item.item_id not in known])
    elif column.strangers:
        data = Dataset.load(folder / "strangers")
    elif column.catalogue == "other":
        data = Dataset.load(folder / "other")
        recommender = recommender.with_catalogue(data)
    report = compare(
        [recommender], data, "test", max_users=users, num_beams=beams,
        last_events=column.last_events,
    )  # fmt: skip
    recipe = {"sasrec_weight": weight, "without": column.without}
    save_evaluation(report, out, {"data": data.path, "run": run}, recipe)
