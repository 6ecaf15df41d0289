"""What an update goes on from, and what it leaves; its head: ``continual_head``.

Leaves: an adapter's folder that brings a head of its own: of kind "sft" with the LoRA adapter that
served, where there is one, of kind "head" without. Knows nothing of whether it is any good.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from genrec.artifacts import find_parent, write_aside, write_manifest
from genrec.errors import ConfigError
from genrec.model.adapter_head import HEAD_FILES, TrainedHead, load_adapter_head
from genrec.model.load import LoadedRun, base_of, describe_run, load_model, load_sasrec_head
from genrec.model.lora import ADAPTER_FILES, HEAD_KIND
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

    def load(self, device: str | torch.device, lora: Path | None = None) -> LoadedRun:
        """Return the run with its causal LM as it serves, or with another LoRA adapter.

        Raises:
            ArtifactError: Something is damaged.
        """
        model, lora = load_model(self.base), lora or self.lora
        if lora is not None:
            model = PeftModel.from_pretrained(model, str(lora))
        return describe_run(self.run, model.to(device).eval())


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
