"""Trains on from what serves: its SASRec head, with the counts; the causal LM stays.

Enters: what serves, and data of which every event may be learned. Leaves: an adapter's folder that
brings a head of its own: of kind "sft" with the LoRA adapter that served, where there is one, of
kind "head" without. Knows nothing of whether it is any good.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from genrec.artifacts import find_parent, write_aside, write_manifest
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.model.adapter_head import HEAD_FILES, TrainedHead, load_adapter_head
from genrec.model.item_features import ItemFeatures
from genrec.model.load import base_of, load_sasrec_head
from genrec.model.lora import ADAPTER_FILES, HEAD_KIND
from genrec.model.sasrec_training import Recipe, count_into, fit_sasrec_head, to_questions
from genrec.semantic_ids.table import SemanticIdTable


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


def train_head(
    start: TrainedHead,
    data: Dataset,
    counted: Sequence[Sequence[int]],
    table: SemanticIdTable,
    changes: Mapping[str, Any],
    seed: int,
) -> TrainedHead:
    """Train a head on, and count its transitions anew; its weight and terms stay.

    Args:
        start: The head that serves.
        data: Its train split is learned from; its valid split stops the training.
        counted: Rows of the histories that are counted, oldest first.
        table: Knows every item of the data.
        changes: Settings of the training in place of the head's own.
        seed: Of shuffles and dropout.
    """
    grown = start.grown(table)
    seen = np.zeros(len(table), dtype=bool)
    seen[[row for history in counted for row in history]] = True
    if grown.table.seen_in_training is not None:
        seen |= grown.table.seen_in_training
    met = replace(table, seen_in_training=seen)
    items = ItemFeatures.of(met)
    count_into(grown.head, counted, items)
    histories = [
        [table.index_of(event.item_id) for event in history.events]
        for history in data.histories("train")
    ]
    config = grown.head.config.model_copy(update=dict(changes))
    questions = to_questions(data.examples("valid"), table.index_of)
    recipe = Recipe(table.centroids, config, seed)
    head, _ = fit_sasrec_head(histories, questions, items, recipe, grown.head)
    return TrainedHead(head, met)


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
