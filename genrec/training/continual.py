"""Trains on from what serves: its SASRec head, with the counts; the causal LM stays.

Enters: what serves, and data of which every event may be learned. Leaves: an adapter's folder that
brings a head of its own: of kind "sft" with the LoRA adapter that served, where there is one, of
kind "head" without. Knows nothing of whether it is any good.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genrec.artifacts import find_parent, write_aside, write_manifest
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.metrics import WATCHED_CUTOFF, ndcg_of_ranks
from genrec.model.adapter_head import HEAD_FILES, TrainedHead, load_adapter_head
from genrec.model.item_features import ItemFeatures
from genrec.model.load import LoadedRun, base_of, load_sasrec_head, with_table
from genrec.model.lora import ADAPTER_FILES, HEAD_KIND
from genrec.model.sasrec_head import SasRecHead
from genrec.model.sasrec_training import (
    Questions,
    Recipe,
    count_into,
    fit_sasrec_head,
    ranks_by_terms,
)
from genrec.model.transition_counts import fading_weights
from genrec.semantic_ids.table import SemanticIdTable
from genrec.training.choice import Watched
from genrec.training.fusion import TRANSITIONS, WEIGHTS, Found, find_and_judge, likeness_of
from genrec.training.validation import Question, draw, list_questions

HALF_LIVES = (80.0, 40.0, 20.0, 10.0)
"""Later events of an item that halve what its earlier ones count."""


@dataclass(frozen=True)
class Start:
    """What serves, and what an update goes on from.

    Attributes:
        run: The run as it was trained.
        adapter: The adapter that was promoted beside it; None: the run itself serves.
    """

    run: Path
    adapter: Path | None = None

    @property
    def base(self) -> Path:
        """The full model under both."""
        return base_of(self.run)

    @property
    def lora(self) -> Path | None:
        """The folder of the LoRA adapter that serves; None: the base does without."""
        folder = self.adapter or self.run
        return folder if (folder / ADAPTER_FILES[0]).exists() else None

    def head(self) -> TrainedHead:
        """Return the SASRec head that serves.

        Raises:
            ArtifactError: It is damaged.
            ConfigError: There is none.
        """
        table = SemanticIdTable.load(find_parent(self.base, "index"))
        own = None if self.adapter is None else load_adapter_head(self.adapter, table)
        if own is not None:
            return own
        head = load_sasrec_head(self.base)
        if head is None:
            raise ConfigError(
                f"{self.run} has no SASRec head to train on; train it with one (sasrec: {{}})"
            )
        return TrainedHead(head, table)


@dataclass(frozen=True)
class Material:
    """What an update learns from.

    Attributes:
        train: Its train split is learned from; its valid split, what is newest of this, stops the
            training and chooses.
        past: What is counted.
        older: Its valid split, which nobody learned, tells what choices cost on older events.
        margin: Share of the NDCG@10 on these that may seem lost.
        users: Most users asked about in either.
        seed: Of shuffles, dropout and the users.
    """

    train: Dataset
    past: Dataset
    older: Dataset
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
) -> TrainedHead:
    """Count transitions anew, and train the head on; its weight and terms stay.

    Args:
        start: The head that serves.
        material: What is learned.
        table: Knows every item of the data.
        changes: Settings of the training in place of the head's own.
    """
    grown = start.grown(table)
    known = list(material.past.histories("train"))
    counted = [[table.index_of(event.item_id) for event in each.events] for each in known]
    times = [[event.timestamp for event in each.events] for each in known]
    seen = np.zeros(len(table), dtype=bool)
    seen[[row for history in counted for row in history]] = True
    if grown.table.seen_in_training is not None:
        seen |= grown.table.seen_in_training
    met = replace(table, seen_in_training=seen)
    items = ItemFeatures.of(met)
    newest, older = (
        [
            (
                [table.index_of(event.item_id) for event in request.history.events],
                table.index_of(item),
            )
            for request, item in questions
        ]
        for questions in material.questions()
    )
    watched = Watched(_ndcg(grown.head, ItemFeatures.of(grown.table), older), material.margin)
    tried = [None, *(fading_weights(counted, times, half_life) for half_life in HALF_LIVES)]
    found = []
    for weights in tried:
        count_into(grown.head, counted, items, weights)
        found.append([_ndcg(grown.head, items, questions) for questions in (newest, older)])
    best = watched.choose(*zip(*found, strict=True))
    count_into(grown.head, counted, items, tried[best])
    histories = [
        [table.index_of(event.item_id) for event in history.events]
        for history in material.train.histories("train")
    ]
    config = grown.head.config.model_copy(update=dict(changes))
    recipe = Recipe(table.centroids, config, material.seed)
    head, _ = fit_sasrec_head(histories, newest, items, recipe, grown.head)
    return TrainedHead(head, met)


def fuse_again(
    run: LoadedRun, start: TrainedHead, head: TrainedHead, material: Material, device: torch.device
) -> None:
    """Choose anew what a head says beside the causal LM, on what is newer than both.

    Args:
        run: The causal LM that serves.
        start: The head that serves.
        head: Trained; its weight and terms are set.
        material: Asked.
        device: Of all models.
    """

    def judge(trained: TrainedHead, questions: Sequence[Question]) -> Found:
        knows = with_table(run, trained.table, material.train.items_by_id.get)
        return find_and_judge(replace(knows, sasrec_head=trained.head), questions, device)

    newest, older = material.questions()
    if not newest:
        return
    terms = head.head.terms
    tried = [(head.head.weight, terms)] + [
        (weight, replace(terms, transitions=transitions, likeness=likeness))
        for weight, transitions, likeness in itertools.product(
            WEIGHTS, TRANSITIONS, likeness_of(head.head)
        )
    ]
    found = [judge(head, questions) if questions else None for questions in (newest, older)]
    served = np.zeros(0)
    if older:
        serves = judge(start.grown(head.table), older)
        served = _of_ranks(serves.ranks(start.head.weight, start.head.terms))
    reached = [
        [np.zeros(0) if each is None else _of_ranks(each.ranks(*choice)) for choice in tried]
        for each in found
    ]
    head.head.weight, head.head.terms = tried[Watched(served, material.margin).choose(*reached)]


def _ndcg(head: SasRecHead, items: ItemFeatures, questions: Questions) -> np.ndarray:
    """Return the NDCG@10 of each question. Shape: (questions,)."""
    if not questions:
        return np.zeros(0)
    return _of_ranks(ranks_by_terms(head, items, questions, [head.terms])[0])


def _of_ranks(ranks: np.ndarray) -> np.ndarray:
    return ndcg_of_ranks(ranks, WATCHED_CUTOFF)


def write_head(out: Path, start: Start, head: TrainedHead, settings: Mapping[str, Any]) -> None:
    """Write a head as an adapter, with the LoRA adapter that serves, where there is one."""
    base_items = len(SemanticIdTable.load(find_parent(start.base, "index")))
    kind, files = HEAD_KIND, HEAD_FILES
    with write_aside(out) as directory:
        if start.lora is not None:
            kind, files = "sft", [*ADAPTER_FILES, *HEAD_FILES]
            for name in ADAPTER_FILES:
                shutil.copy(start.lora / name, directory / name)
        head.save(directory, base_items)
        write_manifest(directory, out, kind, settings, files, {"base": start.base})
