"""From an artifact's path to everything needed to run it: model, tokenizer, encoder, table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from genrec.artifacts import find_parent, read_manifest
from genrec.data import Dataset
from genrec.errors import ArtifactError
from genrec.model.base import SETTINGS_FILE, TEMPLATES, WEIGHTS_FILE, BaseConfig
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_head import SasRecHead, Terms, Transitions
from genrec.model.vocabulary import SidVocabulary
from genrec.schema import Item
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.encode import Encoder
from genrec.stream.render import Renderer
from genrec.stream.templates import is_current, prompts_directory

FULL_MODELS = ("base", "pretrain", "merged")
RUNS = (*FULL_MODELS, "sft")
READS_SEARCHES, READS_ABOUT = "reads_searches", "reads_about"
"""Whether a run was trained on searches and on what users say of themselves, in its manifest."""
ADAPTER_NAME = "default"
"""What the adapter of a run is called."""


@dataclass(frozen=True)
class LoadedRun:
    """A run, ready to use.

    Attributes:
        path: Where it was loaded from.
        model: The causal LM, with its adapter if the run has one; in evaluation mode. None where
            another process runs it.
        encoder: Histories to prompts, holding table and tokenizer.
        vocabulary: Codes to token IDs.
        base_config: Of the base under the run.
        data: Path of the prepared data that holds the catalogue.
        histories: Path of the prepared data the run was trained on; another one than ``data``
            where a model was fine-tuned on new events.
        sasrec_head: The SASRec head that goes with the base; None where it has none.
    """

    path: Path
    model: Any
    encoder: Encoder
    vocabulary: SidVocabulary
    base_config: BaseConfig
    data: Path
    histories: Path
    sasrec_head: SasRecHead | None = None

    @property
    def table(self) -> SemanticIdTable:
        """The semantic-ID table."""
        return self.encoder.renderer.table


def load_run(
    path: Path, device: str | torch.device = "cpu", dtype: str | torch.dtype = "auto"
) -> LoadedRun:
    """Load a base, a pretrained or merged model, or an adapter with its base.

    Args:
        path: The run.
        device: Where its model shall lie.
        dtype: What the weights of the base are held in; "auto": as they were saved.

    Raises:
        ArtifactError: Missing, damaged, or a parent is not the one it was made with.
    """
    path = Path(path)
    base = base_of(path)
    model = load_model(base, dtype)
    if base != path:
        from peft import PeftModel

        try:
            model = PeftModel.from_pretrained(model, path, adapter_name=ADAPTER_NAME)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise damaged(path, error) from None
    return describe_run(path, model.to(device).eval())


def with_table(
    run: LoadedRun, table: SemanticIdTable, find_item: Callable[[str], Item | None]
) -> LoadedRun:
    """Return a run that encodes with another version of its table, and with the words found."""
    renderer = replace(run.encoder.renderer, table=table, find_item=find_item)
    return replace(run, encoder=replace(run.encoder, renderer=renderer))


def base_of(path: Path) -> Path:
    """Return the full model under a run: itself, or the base of an adapter.

    Raises:
        ArtifactError: Not a run, or the base is gone or changed.
    """
    kind = read_manifest(path, RUNS).kind
    return Path(path) if kind in FULL_MODELS else find_parent(path, "base")


def describe_run(path: Path, model: Any = None) -> LoadedRun:
    """Gather what belongs to a model whose weights are already in memory, or in another process.

    Raises:
        ArtifactError: A parent or a file is missing, damaged or another one.
    """
    base = base_of(path)
    trained = [read_manifest(each).config for each in {path, base}]
    if base != path and (path / WEIGHTS_FILE).exists():
        raise ArtifactError(
            f"{path} is an update with a SASRec head of its own: load the run that it is of, and "
            "it as an adapter of that (load_adapter, POST /v1/promotions)"
        )
    index = find_parent(base, "index")
    table = SemanticIdTable.load(index)
    config = _base_config(base)
    data = find_parent(index, "data")
    catalogue = Dataset.load(data)
    try:
        tokenizer = AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        raise damaged(base, error) from None
    return LoadedRun(
        path=path,
        model=model,
        encoder=Encoder(
            Renderer(
                table,
                review_chars=config.review_chars,
                item_words=config.item_words,
                find_item=lambda item_id: catalogue.items_by_id.get(item_id),
            ),
            tokenizer,
            config.context_tokens,
            reads_searches=any(config.get(READS_SEARCHES, False) for config in trained),
            reads_about=any(config.get(READS_ABOUT, False) for config in trained),
        ),
        vocabulary=SidVocabulary.from_tokenizer(tokenizer, table),
        base_config=config,
        data=data,
        histories=trained_on(path) or data,
        sasrec_head=load_sasrec_head(base),
    )


def _base_config(base: Path) -> BaseConfig:
    settings = dict(base_settings(base))
    if not is_current(settings.pop(TEMPLATES, None)):
        raise ArtifactError(
            f"{base} was trained on other templates than those in {prompts_directory()}: put "
            "these back, or make the base again and train it"
        )
    return BaseConfig.model_validate(settings)


def trained_on(path: Path) -> Path | None:
    """Return the data that a run was trained on where it is not that of its table."""
    recorded = read_manifest(path).parents.get("data", {})
    return find_parent(path, "data") if "path" in recorded else None


def load_model(base: Path, dtype: str | torch.dtype = "auto", **options: Any) -> Any:
    """Load a full model's weights.

    Raises:
        ArtifactError: The weights are missing, cut short, or do not fit the configuration.
    """
    try:
        return AutoModelForCausalLM.from_pretrained(base, dtype=dtype, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise damaged(base, error) from None


def reads_of(encoder: Encoder) -> dict[str, bool]:
    """Return what a run says in its manifest of what it was trained to read."""
    return {READS_SEARCHES: encoder.reads_searches, READS_ABOUT: encoder.reads_about}


def load_sasrec_head(directory: Path) -> SasRecHead | None:
    """Read what ``save_sasrec_head`` wrote, in evaluation mode; None where there is nothing.

    Raises:
        ArtifactError: It is damaged.
    """
    if not (directory / WEIGHTS_FILE).exists():
        return None
    try:
        described = json.loads((directory / SETTINGS_FILE).read_text(encoding="utf-8"))
        weights = load_file(directory / WEIGHTS_FILE)
        config = SasRecHeadConfig.model_validate(described["config"])
        num_items = described["num_items"]
        head = SasRecHead(num_items, weights["centroids"], described["text_width"], config)
        if "transitions.votes" in weights:
            head.transitions = Transitions(num_items, len(weights["transitions.votes"]))
            # Runs made before openings were counted have none.
            weights.setdefault("transitions.openings", head.transitions.openings)
        head.load_state_dict(weights)
        head.weight, terms = float(described["weight"]), dict(described["terms"])
        # Once a term of the head, which counts by its weight.
        old_boost = head.weight * terms.pop("new_item_boost", 0.0)
        head.new_item_boost = float(described.get("new_item_boost", old_boost))
        head.terms = Terms(**terms)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ArtifactError(
            f"the SASRec head in {directory} is damaged, or was made by another version of genrec "
            f"({reason}); train the run again"
        ) from None
    return head.eval()


def base_settings(path: Path) -> dict[str, Any]:
    """Return the settings of the base under a full model, however often it was trained since."""
    manifest = read_manifest(path, FULL_MODELS)
    return manifest.config if manifest.kind == "base" else manifest.config["base_settings"]


def damaged(path: Path, error: Exception) -> ArtifactError:
    """Return the error for an artifact that a library cannot read."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ArtifactError(f"{path} cannot be loaded ({reason}): it is damaged; make it again")
