"""Makes the base: any causal LM, with the semantic-ID vocabulary in its tokenizer and embeddings.

vLLM's LoRA carries no embedding rows, so the new rows live in the base and adapters hold linear
layers only: any adapter runs on the same served base.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
)

from genrec.artifacts import check_parent, write_aside, write_manifest
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.model.sasrec_head import SETTINGS_FILE, WEIGHTS_FILE, SasRecHead, save_sasrec_head
from genrec.model.scratch import ScratchConfig, make_model, train_tokenizer
from genrec.model.vocabulary import SidVocabulary, add_vocabulary
from genrec.progress import working
from genrec.semantic_ids.table import SemanticIdTable

SCRATCH = "scratch"
CONTENT_FILES = ["model.safetensors", "tokenizer.json", "config.json"]


class BaseConfig(BaseModel):
    """What the base is made of.

    Attributes:
        source: "scratch", or a Hugging Face name or path of a causal LM.
        context_tokens: Longest sequence; older events are dropped in blocks.
        review_chars: Length cap of a review in the stream.
        dtype: Of a pretrained model's weights, such as "bfloat16"; scratch is float32.
        seed: Of every random choice.
        scratch: Size of a from-scratch base.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = SCRATCH
    context_tokens: int = 256
    review_chars: int = 200
    dtype: str = "float32"
    seed: int = 0
    scratch: ScratchConfig = ScratchConfig()


def make_base(
    data: Path, index: Path, out: Path, config: BaseConfig, single_tokens: Sequence[str] = ()
) -> None:
    """Write a base artifact: a Hugging Face folder that vLLM can serve as it is.

    Args:
        data: Prepared data; its texts train a scratch tokenizer.
        index: Semantic-ID table built on ``data``.
        out: Folder to make.
        config: See ``BaseConfig``.
        single_tokens: Strings that a scratch tokenizer has a token for each of.

    Raises:
        ConfigError: ``source`` names no model that can be loaded.
        ArtifactError: ``index`` was built on other data.
    """
    check_parent(index, "data", data)
    table = SemanticIdTable.load(index)
    torch.manual_seed(config.seed)
    with working("making the base"):
        if config.source == SCRATCH:
            texts = _texts(Dataset.load(data))
            tokenizer = train_tokenizer(texts, config.scratch.text_vocab_size, single_tokens)
            add_vocabulary(tokenizer, table)
            model: Any = make_model(tokenizer, config.context_tokens, config.scratch)
        else:
            model, tokenizer = _load_pretrained(config)
            add_vocabulary(tokenizer, table)
            if len(tokenizer) > len(model.get_input_embeddings().weight):
                model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        _initialise_rows(model, SidVocabulary.from_tokenizer(tokenizer, table), table, config.seed)
        # The decoder alone decides what is generated; sampling defaults of a source have no say.
        model.generation_config = GenerationConfig(
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
        )
        with write_aside(out) as scratch_directory:
            settings = config.model_dump()
            save_model(scratch_directory, out, "base", model, tokenizer, settings, {"index": index})


def save_model(
    directory: Path,
    out: Path,
    kind: str,
    model: PreTrainedModel,
    tokenizer: Any,
    settings: dict[str, Any],
    parents: dict[str, Path],
    sasrec_head: SasRecHead | None = None,
) -> None:
    """Write a full model with its tokenizer, SASRec head and manifest into a scratch directory."""
    model.save_pretrained(directory, max_shard_size="1TB")
    tokenizer.save_pretrained(directory)
    content = CONTENT_FILES
    if sasrec_head is not None:
        save_sasrec_head(sasrec_head, directory)
        content = [*CONTENT_FILES, WEIGHTS_FILE, SETTINGS_FILE]
    write_manifest(directory, out, kind, settings, content, parents)


def _load_pretrained(config: BaseConfig) -> tuple[Any, Any]:
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.source)
        model = AutoModelForCausalLM.from_pretrained(config.source, dtype=config.dtype)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"cannot load a causal LM from '{config.source}': {reason} — give a folder, a Hugging "
            "Face name (with network access), or 'scratch'"
        ) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def _texts(data: Dataset) -> Iterator[str]:
    """Yield what the scratch tokenizer learns words from: catalogue and reviews."""
    for item in data.items:
        yield from (part for part in (item.title, item.brand, *item.categories) if part)
    # The fixed words of the templates, often enough to be merged.
    yield from [" · rated 1 2 3 4 5 view purchase and "] * 50
    for history in data.histories("train"):
        for event in history.events:
            yield from (part for part in (event.event_type, event.title, event.review) if part)


@torch.no_grad()
def _initialise_rows(
    model: PreTrainedModel, vocabulary: SidVocabulary, table: SemanticIdTable, seed: int
) -> None:
    """Start each semantic-ID row from its code's centroid, so that near codes start near.

    Centroids are rotated into the model's width by a fixed random orthogonal map and scaled to
    the spread of the rows already there.
    """
    generator = np.random.default_rng(seed)
    for embedding in {model.get_input_embeddings(), model.get_output_embeddings()}:
        weight = embedding.weight
        new_ids = torch.as_tensor(vocabulary.token_ids)
        old_rows = weight[: int(new_ids.min())].float()
        for level, centroids in enumerate(table.centroids):
            width = max(weight.shape[1], centroids.shape[1])
            rotation, _ = np.linalg.qr(generator.standard_normal((width, width)))
            rows = centroids @ rotation[: centroids.shape[1], : weight.shape[1]]
            rows = (rows - rows.mean(axis=0)) / (rows.std() + 1e-8)
            rows_tensor = torch.as_tensor(rows, dtype=torch.float32) * old_rows.std()
            weight[new_ids[level]] = (rows_tensor + old_rows.mean(dim=0)).to(weight.dtype)
