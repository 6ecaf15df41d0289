"""What the rows of new tokens start from: semantic IDs and markers in a model's embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from genrec.model.vocabulary import SidVocabulary
from genrec.schema import Item
from genrec.stream.templates import MARKERS

if TYPE_CHECKING:
    from genrec.semantic_ids.table import SemanticIdTable

TITLE_TOKENS = 32
"""Of a title, as many as tell what an item is."""


def embeddings(model: Any) -> list[nn.Parameter]:
    """Return the matrices that hold a row for each token; one where they are tied."""
    layers = (model.get_input_embeddings(), model.get_output_embeddings())
    return list({id(layer.weight): layer.weight for layer in layers}.values())


@torch.no_grad()
def initialise_from_centroids(
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


@torch.no_grad()
def initialise_markers(model: PreTrainedModel, tokenizer: Any) -> None:
    """Start each marker from the words of its own name, so that it is as long as a word."""
    token_ids = tokenizer.get_vocab()
    for weight in embeddings(model):
        for marker in MARKERS:
            words = tokenizer.encode(marker.strip("<|>"), add_special_tokens=False)
            weight[token_ids[marker]] = weight[words].mean(dim=0)


@torch.no_grad()
def initialise_from_words(
    model: PreTrainedModel,
    tokenizer: Any,
    vocabulary: SidVocabulary,
    table: SemanticIdTable,
    items: Sequence[Item],
) -> None:
    """Start each semantic-ID row from the words of the titles below its code.

    A code's row is the mean input embedding of its items' titles; from the second level on, less
    the mean of each item's group one level up, since a code only refines what stands before it.
    Rows get the spread of the words' rows. Codes without a title keep what they have.

    Args:
        model: Its rows are changed.
        tokenizer: Of the model.
        vocabulary: Codes to token IDs.
        table: Items' codes.
        items: The catalogue.

    Source: TS-Rec, arXiv 2602.22632 (SA-Init).
    """
    titled = [item for item in items if item.title and table.knows(item.item_id)]
    if not titled:
        return
    words = embeddings(model)[0][: int(vocabulary.token_ids.min())].float()
    titles = torch.stack([_mean_of_words(words, tokenizer, item.title or "") for item in titled])
    codes = torch.as_tensor(
        table.codes[[table.index_of(item.item_id) for item in titled]], dtype=torch.int64
    )
    rest = titles - words.mean(dim=0)
    for level in range(table.num_levels):
        means, counts = _means(rest, codes[:, level], table.codebook_size)
        known = counts > 0
        spread = means[known].std() + 1e-8
        rows = means[known] / spread * words.std() + words.mean(dim=0)
        token_ids = torch.as_tensor(vocabulary.token_ids[level])[known]
        for weight in embeddings(model):
            weight[token_ids] = rows.to(weight.dtype)
        _, groups = torch.unique(codes[:, : level + 1], dim=0, return_inverse=True)
        of_groups, _ = _means(rest, groups, int(groups.max()) + 1)
        rest = rest - of_groups[groups]


def _mean_of_words(words: Tensor, tokenizer: Any, text: str) -> Tensor:
    token_ids = tokenizer.encode(text, add_special_tokens=False)[:TITLE_TOKENS]
    known = [token for token in token_ids if token < len(words)]
    return words[known].mean(dim=0) if known else words.mean(dim=0)


def _means(rows: Tensor, groups: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """Return the mean of each group's rows, zeros for an empty one, and their numbers."""
    counts = torch.bincount(groups, minlength=num_groups)
    sums = torch.zeros(num_groups, rows.shape[1]).index_add_(0, groups, rows)
    return sums / counts.clamp(min=1).unsqueeze(1), counts
