"""Makes the base: any causal LM, with the semantic-ID vocabulary in its tokenizer and embeddings.

vLLM's LoRA carries no embedding rows, so the new rows live in the base and adapters hold linear
layers only: any adapter runs on the same served base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from genrec.artifacts import check_parent, write_aside, write_manifest
from genrec.data import Dataset
from genrec.model.pretrained import load_pretrained
from genrec.model.rows import initialise_from_centroids, initialise_from_words, initialise_markers
from genrec.model.sasrec_head import SasRecHead
from genrec.model.scratch import ScratchConfig, make_model, train_tokenizer
from genrec.model.vocabulary import SidVocabulary, add_vocabulary
from genrec.progress import working
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.config import ItemWordsConfig
from genrec.stream.templates import fingerprint

SCRATCH = "scratch"
ALIGNED_ROWS = 128
"""Products with a vocabulary of a multiple of so many rows are fast on every device."""
TEMPLATES = "templates"
"""In a base's manifest, beside its settings: the hash of the templates it was made with."""
# In a folder of their own: vLLM takes every file of weights beside a model's for the model's.
WEIGHTS_FILE, SETTINGS_FILE = "sasrec_head/model.safetensors", "sasrec_head/config.json"
CONTENT_FILES = ["model.safetensors", "tokenizer.json", "config.json"]


class BaseConfig(BaseModel):
    """What the base is made of.

    Attributes:
        source: "scratch", "smollm2" (from the extra of that name), a .gguf file, or a Hugging Face
            name or path of a causal LM.
        context_tokens: Longest sequence; older events are dropped in blocks.
        review_chars: Length cap of a review in the stream; 0 leaves reviews out.
        item_words: What of an item's text stands behind its ID in the stream.
        weights: "random": only the shape and the tokenizer are the source's, which shows what its
            pretraining is worth.
        dtype: Of a pretrained model's weights, such as "bfloat16"; scratch is float32.
        rows: What a pretrained model's semantic-ID rows start from: the "centroids" of the codes,
            or the "words" of the titles below them.
        seed: Of every random choice.
        scratch: Size of a from-scratch base.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = SCRATCH
    context_tokens: int = Field(256, ge=1)
    review_chars: int = Field(200, ge=0)
    item_words: ItemWordsConfig = ItemWordsConfig()
    weights: Literal["pretrained", "random"] = "pretrained"
    dtype: str = "float32"
    rows: Literal["centroids", "words"] = "words"
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
            model, tokenizer = load_pretrained(config.source, config.dtype, config.context_tokens)
            if config.weights == "random":
                model = AutoModelForCausalLM.from_config(model.config, dtype=model.dtype)
            add_vocabulary(tokenizer, table)
            if len(tokenizer) > len(model.get_input_embeddings().weight):
                model.resize_token_embeddings(
                    len(tokenizer), pad_to_multiple_of=ALIGNED_ROWS, mean_resizing=False
                )
        vocabulary = SidVocabulary.from_tokenizer(tokenizer, table)
        initialise_from_centroids(model, vocabulary, table, config.seed)
        if config.source != SCRATCH:
            initialise_markers(model, tokenizer)
            if config.rows == "words":
                items = Dataset.load(data).items
                initialise_from_words(model, tokenizer, vocabulary, table, items)
        # The decoder alone decides what is generated; sampling defaults of a source have no say.
        model.generation_config = GenerationConfig(
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
        )
        with write_aside(out) as scratch_directory:
            settings = {**config.model_dump(), TEMPLATES: fingerprint()}
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


def save_sasrec_head(head: SasRecHead, directory: Path) -> None:
    """Write a trained head into the folder of the model it goes with."""
    (directory / WEIGHTS_FILE).parent.mkdir()
    save_file(head.state_dict(), directory / WEIGHTS_FILE)
    described = {
        "num_items": head.item_embedding.num_embeddings,
        "text_width": head.text_width,
        "weight": head.weight,
        "new_item_boost": head.new_item_boost,
        "terms": asdict(head.terms),
        "config": head.config.model_dump(),
    }
    (directory / SETTINGS_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def _texts(data: Dataset) -> Iterator[str]:
    """Yield what the scratch tokenizer learns words from: catalogue, descriptions, reviews."""
    for item in data.items:
        yield from (part for part in (item.title, item.brand, *item.categories) if part)
    # The fixed words of the templates, often enough to be merged.
    yield from [" · rated 1 2 3 4 5 view purchase and "] * 50
    yield from data.descriptions.values()
    for history in data.histories("train"):
        for event in history.events:
            yield from (part for part in (event.event_type, event.title, event.review) if part)
