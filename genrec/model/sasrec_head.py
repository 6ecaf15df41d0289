"""The SASRec head: one vector for what a user will want next, one for every item.

A small causal transformer over items instead of tokens. It sees every item as a whole, where the
causal LM spells it code by code; the two find different items, and are pooled while decoding
(``genrec.decode.policy``).

An item's vector is the sum of one of its own, which is learned, of those of its codes, and of what
a small network makes of its text. In training an item's own vector is sometimes left out, so that
the rest learns to do without: a new item, which has no vector of its own, then stands where its
text puts it.

Three further terms join the logits: counts of what followed what (``Transitions``), the likeness
of an item's text to that of the user's last items, and a boost for items that training never met,
which the rest underrates.

Source: SASRec, Kang and McAuley, arXiv 1808.09781; trained with sampled softmax as in eSASRec,
arXiv 2508.06450. Text beside an ID vector that is dropped at random: DropoutNet, Volkovs et al.
2017. Without codes and text it is the SASRec of the baselines.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from genrec.errors import ArtifactError
from genrec.model.histories import NO_ROW, newest
from genrec.model.item_features import ItemFeatures
from genrec.model.transitions import Transitions

# In a folder of their own: vLLM takes every file of weights beside a model's for the model's.
RECENT = 5
"""Events that the likeness of texts looks back on."""
WEIGHTS_FILE, SETTINGS_FILE = "sasrec_head/model.safetensors", "sasrec_head/config.json"


class SasRecHeadConfig(BaseModel):
    """Size and training of the SASRec head.

    Attributes:
        hidden_size: Width of all vectors.
        num_blocks: Transformer blocks.
        num_heads: Attention heads; they divide ``hidden_size``.
        dropout: Everywhere in the blocks and on their input.
        max_events: Newest events that are read; longer histories are cut for training.
        epochs: Most passes over the histories.
        batch_size: Histories of a step.
        new_item_boost: Nats that an item gets which training never met; None: learned by leaving
            items out of training.
        id_dropout: Share of an item's looks in training without its own vector, where it has text.
        num_negatives: Items drawn for a step, uniformly; its targets are told from them.
        learning_rate: Of AdamW, with warm-up and cosine decay to zero.
        weight_decay: Of matrices.
        patience: Looks at validation without a new best before training stops.
        every_epochs: Epochs between two looks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden_size: int = Field(64, ge=1)
    num_blocks: int = Field(1, ge=1)
    num_heads: int = Field(1, ge=1)
    dropout: float = Field(0.4, ge=0, lt=1)
    max_events: int = Field(50, ge=2)
    new_item_boost: float | None = None
    id_dropout: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(128, ge=1)
    num_negatives: int = Field(256, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    patience: int = Field(4, ge=1)
    every_epochs: int = Field(5, ge=1)


class SequenceEncoder(nn.Module):
    """Vectors of a user's items to vectors of what comes next."""

    def __init__(self, config: SasRecHeadConfig) -> None:
        super().__init__()
        self.positions = nn.Embedding(config.max_events, config.hidden_size)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.hidden_size,
                config.num_heads,
                dim_feedforward=4 * config.hidden_size,
                dropout=config.dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.num_blocks)
        )
        self.norm = nn.LayerNorm(config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, vectors: Tensor) -> Tensor:
        """Read each history up to each event.

        Args:
            vectors: Of the events' items, oldest first, padded at the end. Shape: (B, T, H).

        Returns:
            Shape: (B, T, H).
        """
        length, width = vectors.shape[1:]
        hidden = self.dropout(vectors * width**0.5 + self.positions.weight[:length])
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=vectors.device)
        for block in self.blocks:
            hidden = block(hidden, src_mask=mask, is_causal=True)
        result: Tensor = self.norm(hidden)
        return result


@dataclass(frozen=True)
class Terms:
    """What joins the head's logits, in nats.

    Attributes:
        transitions: Factor of the log odds of the transition counts.
        likeness: Factor of the likeness of an item's text to the user's last items, -1 to 1.
        new_item_boost: Added for items that training never met.
    """

    transitions: float = 0.0
    likeness: float = 0.0
    new_item_boost: float = 0.0


class SasRecHead(nn.Module):
    """Scores the items of an ID table as the next one of a history."""

    centroids: Tensor
    weight: float = 0.0
    """Its part in the odds while decoding, 0 to 1; the causal LM has the rest."""
    terms = Terms()
    transitions: Transitions | None

    def __init__(
        self, num_items: int, centroids: Tensor, text_width: int, config: SasRecHeadConfig
    ) -> None:
        """Start from nothing.

        Args:
            num_items: Rows of the table it is trained on.
            centroids: Of the table's codes. Shape: (L, K, D); L = 0 leaves codes out.
            text_width: Of the items' text vectors; 0 leaves text out.
            config: Size.
        """
        super().__init__()
        self.config, self.text_width = config, text_width
        self.transitions = None
        self.encoder = SequenceEncoder(config)
        self.item_embedding = nn.Embedding(num_items, config.hidden_size)
        self.projection = nn.Linear(centroids.shape[-1], config.hidden_size, bias=False)
        for matrix in (self.item_embedding.weight, self.projection.weight):
            nn.init.normal_(matrix, std=0.02)
        self.register_buffer("centroids", centroids)
        self.text_network = (
            nn.Sequential(
                nn.Linear(text_width, 2 * config.hidden_size),
                nn.GELU(),
                nn.Linear(2 * config.hidden_size, config.hidden_size),
            )
            if text_width
            else None
        )

    def vectors(self, items: ItemFeatures) -> Tensor:
        """Return the vectors of items. Shape: (...) to (..., H)."""
        looked_at = items.trained != NO_ROW
        if self.training and self.text_network is not None:
            drawn = torch.rand(looked_at.shape, device=looked_at.device)
            looked_at = looked_at & (drawn >= self.config.id_dropout)
        result: Tensor = self.item_embedding(items.trained.clamp(min=0)) * looked_at.unsqueeze(-1)
        num_levels, codebook_size, _ = self.centroids.shape
        if num_levels:
            starts = torch.arange(num_levels, device=items.codes.device) * codebook_size
            of_codes = self.projection(self.centroids).flatten(0, 1)
            result = result + F.embedding(items.codes + starts, of_codes).sum(dim=-2)
        if self.text_network is not None:
            has_text = items.text.any(dim=-1, keepdim=True)
            result = result + self.text_network(items.text) * has_text
        return result

    def forward(self, histories: Tensor, items: ItemFeatures, vectors: Tensor) -> Tensor:
        """Score every item as the next one of each history.

        Args:
            histories: Rows of ``items``, oldest first, padded at the end with ``NO_ROW``; of long
                ones the newest ``max_events`` are read. Shape: (B, T).
            items: The catalogue.
            vectors: What ``self.vectors`` returned for it. Shape: (N, H).

        Returns:
            Logits; a history without items has those of the boost alone. Shape: (B, N).
        """
        parts = self.score_parts(histories, items, vectors, self.terms)
        return parts.join(items, self.terms)

    def score_parts(
        self,
        histories: Tensor,
        items: ItemFeatures,
        vectors: Tensor,
        wanted: Terms | None = None,
    ) -> ScoreParts:
        """Return what is added up to logits; see ``forward``.

        Args:
            histories: Shape: (B, T).
            items: The catalogue.
            vectors: Shape: (N, H).
            wanted: Parts whose factor is 0 are left out; None: none is.
        """
        histories = newest(histories, self.config.max_events)
        present = histories != NO_ROW
        queries = self.encoder(vectors[histories.clamp(min=0)] * present.unsqueeze(-1))
        lengths = present.sum(dim=1)
        last = queries[torch.arange(len(queries)), (lengths - 1).clamp(min=0)]
        logits = (last * (lengths > 0).unsqueeze(-1)) @ vectors.T
        transitions = None
        if self.transitions is not None and (wanted is None or wanted.transitions):
            met = items.trained[histories.clamp(min=0)].where(present, NO_ROW)
            transitions = self.transitions(met)[:, items.trained]
        likeness = None
        if self.text_network is not None and (wanted is None or wanted.likeness):
            likeness = text_likeness(histories, items.text)
        return ScoreParts(logits, transitions, likeness)

    def loss(self, histories: Tensor, negatives: Tensor, items: ItemFeatures) -> Tensor:
        """Return the mean loss in nats of telling every next item from the negatives.

        Args:
            histories: Rows, oldest first, padded at the end with ``NO_ROW``. Shape: (B, T + 1).
            negatives: Rows. Shape: (n,).
            items: The catalogue.
        """
        asked = histories[:, 1:] != NO_ROW
        vectors = self.vectors(items[histories])
        queries = self.encoder(vectors[:, :-1])[asked]
        right = (queries * vectors[:, 1:][asked]).sum(dim=-1, keepdim=True)
        wrong = queries @ self.vectors(items[negatives]).T
        targets = histories[:, 1:][asked].unsqueeze(1)
        logits = torch.cat([right, wrong.masked_fill(negatives == targets, -torch.inf)], dim=1)
        return F.cross_entropy(logits.float(), torch.zeros_like(targets[:, 0]))


class ScoreParts(NamedTuple):
    """What a head's logits are added up from; None where it has no such part.

    Attributes:
        logits: Products of the user's vector and the items'. Shape: (B, N).
        transitions: Log odds of the counts. Shape: (B, N).
        likeness: Of texts. Shape: (B, N).
    """

    logits: Tensor
    transitions: Tensor | None
    likeness: Tensor | None

    def join(self, items: ItemFeatures, terms: Terms) -> Tensor:
        """Add the terms to the logits. Shape: (B, N)."""
        logits = self.logits
        if self.transitions is not None and terms.transitions:
            logits = logits + terms.transitions * self.transitions
        if self.likeness is not None and terms.likeness:
            logits = logits + terms.likeness * self.likeness
        if terms.new_item_boost:
            logits = logits + terms.new_item_boost * (items.trained == NO_ROW)
        return logits


def text_likeness(histories: Tensor, text: Tensor) -> Tensor:
    """Return the mean cosine of each item's text with those of the last ``RECENT`` events.

    Args:
        histories: Rows, padded at the end with ``NO_ROW``. Shape: (B, T).
        text: Unit rows; zeros without text. Shape: (N, D).

    Returns:
        Shape: (B, N).
    """
    recent = newest(histories, RECENT)
    present = (recent != NO_ROW).unsqueeze(-1)
    profiles = (text[recent.clamp(min=0)] * present).sum(dim=1)
    return profiles / present.sum(dim=1).clamp(min=1) @ text.T


def save_sasrec_head(head: SasRecHead, directory: Path) -> None:
    """Write a trained head into the folder of the model it goes with."""
    (directory / WEIGHTS_FILE).parent.mkdir()
    save_file(head.state_dict(), directory / WEIGHTS_FILE)
    described = {
        "num_items": head.item_embedding.num_embeddings,
        "text_width": head.text_width,
        "weight": head.weight,
        "terms": asdict(head.terms),
        "config": head.config.model_dump(),
    }
    (directory / SETTINGS_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


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
        head.load_state_dict(weights)
        head.weight, head.terms = float(described["weight"]), Terms(**described["terms"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ArtifactError(
            f"the SASRec head in {directory} is damaged ({reason}); make the run again"
        ) from None
    return head.eval()
