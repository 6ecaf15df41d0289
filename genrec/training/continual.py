"""What an update goes on from, and what it leaves; trains its LoRA adapter on where wanted.

Leaves: an adapter's folder, of kind "sft" with a LoRA adapter, that which served or one trained on
from it, of kind "head" without any; with a head of its own (``continual_head``). Knows nothing of
whether it is any good.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from genrec.artifacts import find_parent, read_manifest, write_aside, write_manifest
from genrec.config import load_values
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.model.adapter_head import HEAD_FILES, TrainedHead, load_adapter_head
from genrec.model.load import (
    LoadedRun,
    base_of,
    describe_run,
    load_model,
    load_sasrec_head,
    with_table,
)
from genrec.model.lora import ADAPTER_FILES, HEAD_KIND
from genrec.model.lora_layers import add_adapter
from genrec.semantic_ids.table import SemanticIdTable
from genrec.training.config import TrainConfig
from genrec.training.session import run_session


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

    def own_head(self) -> TrainedHead | None:
        """Return the SASRec head that the promoted adapter brings; None: that of the base serves.

        Raises:
            ArtifactError: It is damaged.
        """
        table = SemanticIdTable.load(find_parent(self.base, "index"))
        return None if self.adapter is None else load_adapter_head(self.adapter, table)

    def head(self) -> TrainedHead:
        """Return the SASRec head that serves.

        Raises:
            ArtifactError: It is damaged.
            ConfigError: There is none.
        """
        if (own := self.own_head()) is not None:
            return own
        head = load_sasrec_head(self.base)
        if head is None:
            raise ConfigError(
                f"{self.run} has no SASRec head to train on; train it with one (sasrec: {{}})"
            )
        return TrainedHead(head, SemanticIdTable.load(find_parent(self.base, "index")))

    def load(self, device: str | torch.device, lora: Path | None = None) -> LoadedRun:
        """Return the run with its causal LM as it serves, or with another LoRA adapter.

        Raises:
            ArtifactError: Something is damaged.
        """
        model, lora = load_model(self.base), lora or self.lora
        if lora is not None:
            model = PeftModel.from_pretrained(model, str(lora))
        return describe_run(self.run, model.to(device).eval())


def train_lora(
    start: Start, data: Dataset, table: SemanticIdTable, out: Path, changes: Mapping[str, Any]
) -> Path:
    """Train the LoRA adapter that serves on, or a fresh one where none does.

    It is trained as the run was: the same mixture of tasks, the same rows, a fresh optimizer.

    Args:
        start: What serves.
        data: Its train split is learned from; its valid split chooses the weights.
        table: Knows every item of the data.
        out: Folder to write; training leaves its workspace beside it.
        changes: Settings of the training in place of the run's own.

    Returns:
        ``out``, with the files of a PEFT adapter.

    Raises:
        TrainingError: The loss is not finite.
    """
    made = read_manifest(start.run).config
    own = {name: made[name] for name in TrainConfig.model_fields if name in made}
    places = {"data": data.path, "base": start.base, "out": out, "trackers": []}
    config = load_values(TrainConfig, {**own, "trainable": "all", **changes, **places})

    def load(base: Path) -> LoadedRun:
        # Reads what the run reads, and knows the items that came since.
        run = describe_run(start.run, load_model(base))
        return with_table(run, table, data.items_by_id.get)

    def adapt(run: LoadedRun) -> PeftModel:
        if start.lora is None:
            return add_adapter(run.model, config.lora.rank, config.lora.alpha, config.lora.dropout)
        return PeftModel.from_pretrained(run.model, str(start.lora), is_trainable=True)

    session = run_session(config, adapt, load, learns_to_read=False)
    session.module.model.save_pretrained(str(out), save_embedding_layers=False)
    return out


def write_update(
    out: Path,
    start: Start,
    head: TrainedHead | None,
    settings: Mapping[str, Any],
    lora: Path | None = None,
) -> None:
    """Write an adapter: a head, a LoRA adapter, or both.

    Args:
        out: Folder to write.
        start: What it was trained on from.
        head: To write; None: that of the base serves.
        settings: For the manifest.
        lora: Folder of the LoRA adapter; None: the one that serves, if any does.
    """
    base_items = len(SemanticIdTable.load(find_parent(start.base, "index")))
    lora = lora or start.lora
    files: list[str] = []
    with write_aside(out) as directory:
        if lora is not None:
            files += ADAPTER_FILES
            for name in ADAPTER_FILES:
                shutil.copy(lora / name, directory / name)
        if head is not None:
            files += HEAD_FILES
            head.save(directory, base_items)
        kind = HEAD_KIND if lora is None else "sft"
        write_manifest(directory, out, kind, settings, files, {"base": start.base})
