"""Trains a SASRec head on, counts its transitions anew, and chooses its say; the causal LM stays.

Enters: the head that serves, and data of which every event may be learned. Leaves: a head. Knows
nothing of whether it is any good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch

from genrec.data import Dataset
from genrec.metrics import watched_ndcgs
from genrec.model.adapter_head import TrainedHead
from genrec.model.item_features import ItemFeatures
from genrec.model.load import LoadedRun, with_table
from genrec.model.recent_popularity import RecentPopularity
from genrec.model.sasrec_head import SasRecHead, Terms
from genrec.model.sasrec_training import (
    Questions,
    Recipe,
    count_into,
    fit_sasrec_head,
    ranks_by_terms,
)
from genrec.model.transition_counts import fading_weights
from genrec.schema import History
from genrec.semantic_ids.table import SemanticIdTable, judge_met
from genrec.training.choice import Watched
from genrec.training.fusion import find_and_judge, likeness_of, list_fusions, popular_before
from genrec.training.validation import Question, draw, list_questions

HALF_LIVES = (80.0, 40.0, 20.0, 10.0)
"""Later events of an item that halve what its earlier ones count."""


@dataclass(frozen=True)
class Material:
    """What an update learns from.

    Attributes:
        train: Its train split is learned from; its valid split, what is newest of this, stops the
            training and chooses.
        past: What is counted.
        older: Its valid split, which nobody learned, tells what choices cost on older events.
        popularity: Of all that happened; None where the head does not heed it.
        margin: Share of the NDCG@10 on these that may seem lost.
        users: Most users asked about in either.
        seed: Of shuffles, dropout and the users.
    """

    train: Dataset
    past: Dataset
    older: Dataset
    popularity: RecentPopularity | None
    margin: float
    users: int
    seed: int

    def questions(self) -> tuple[list[Question], list[Question]]:
        """Return questions about the newest events and about older ones."""
        newest, older = (
            draw(list_questions(data), self.users, self.seed) for data in (self.train, self.older)
        )
        return newest, older


def train_head(
    start: TrainedHead, material: Material, table: SemanticIdTable, changes: Mapping[str, Any]
) -> tuple[TrainedHead, float | None]:
    """Train a head on, and count its transitions anew; its weight and terms stay.

    Args:
        start: The head that serves.
        material: What is learned.
        table: Knows every item of the data.
        changes: Settings of the training in place of the head's own.

    Returns:
        The head, and after how many later events of an item earlier ones count half; None: all
        count alike.
    """

    def rows(history: History) -> list[int]:
        return [table.index_of(event.item_id) for event in history.events]

    grown, past = start.grown(table), list(material.past.histories("train"))
    counted = [rows(history) for history in past]
    times = [[event.timestamp for event in history.events] for history in past]
    met = judge_met(
        np.fromiter(chain.from_iterable(counted), np.int64),
        np.fromiter(chain.from_iterable(times), np.int64),
        len(table),
    )
    known = replace(table, met=np.maximum(met, grown.table.how_met))
    newest, older = (
        [(rows(request.history), table.index_of(item)) for request, item in questions]
        for questions in material.questions()
    )
    served = _ndcg(grown.head, ItemFeatures.of(grown.table), older)
    items = ItemFeatures.of(known)
    tried: list[float | None] = [None, *HALF_LIVES]

    def count(half_life: float | None) -> None:
        fading = None if half_life is None else fading_weights(counted, times, half_life)
        count_into(grown.head, counted, items, fading)

    reached = []
    for half_life in tried:
        count(half_life)
        reached.append([_ndcg(grown.head, items, questions) for questions in (newest, older)])
    chosen = tried[Watched(served, material.margin).choose(*zip(*reached, strict=True))]
    count(chosen)
    histories = [rows(history) for history in material.train.histories("train")]
    config = grown.head.config.model_copy(update=dict(changes))
    recipe = Recipe(table.centroids, config, material.seed)
    head, _ = fit_sasrec_head(histories, newest, items, recipe, grown.head)
    return TrainedHead(head, known), chosen


def fuse_again(
    run: LoadedRun, start: TrainedHead, head: TrainedHead, material: Material, device: torch.device
) -> None:
    """Choose anew what a head says beside the causal LM, by what is newer than both.

    Args:
        run: The causal LM, as the update serves it.
        start: The head that serves.
        head: Trained; its weight and terms are set.
        material: Asked.
        device: Of all models.
    """
    present = (head.head.weight, head.head.terms)
    tried = [present, *list_fusions(likeness_of(head.head), head.head.terms)]

    def reached(
        trained: TrainedHead, questions: Sequence[Question], choices: Sequence[tuple[float, Terms]]
    ) -> list[np.ndarray]:
        if not questions:
            return [np.zeros(0)] * len(choices)
        knows = with_table(run, trained.table, material.train.items_by_id.get)
        popular = None
        if material.popularity is not None:
            days = trained.head.terms.popularity_days
            popular = popular_before(material.popularity, questions, days, trained.table)
        asked = replace(knows, sasrec_head=trained.head)
        found = find_and_judge(asked, questions, device, popularity=popular)
        return [watched_ndcgs(found.ranks(*choice)) for choice in choices]

    newest, older = material.questions()
    serves = (start.head.weight, start.head.terms)
    (served,) = reached(start.grown(head.table), older, [serves])
    watched = Watched(served, material.margin)
    chosen = watched.choose(reached(head, newest, tried), reached(head, older, tried))
    head.head.weight, head.head.terms = tried[chosen]


def _ndcg(head: SasRecHead, items: ItemFeatures, questions: Questions) -> np.ndarray:
    """Return the NDCG@10 of each question. Shape: (questions,)."""
    if not questions:
        return np.zeros(0)
    return watched_ndcgs(ranks_by_terms(head, items, questions, [head.terms])[0])
