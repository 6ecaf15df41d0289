"""The SASRec head: one vector for what a user will want next, one for every item.

A small causal transformer over items instead of tokens. It sees every item as a whole, where the
causal LM spells it code by code; the two find different items, and are pooled while decoding
(``genrec.decode.policy``).

An item's vector is one of its own, which is learned, plus those of its codes, which are a
projection of what the codes stand for. So a new item, which has codes but was never learned, stands
among its kind. Beside the transformer stand plain counts of what followed what
(``Transitions``), which vectors this short cannot hold.

Source: SASRec, Kang and McAuley, arXiv 1808.09781; trained with sampled softmax as in eSASRec,
arXiv 2508.06450. Differs: vectors of codes; without them it is the SASRec of the baselines.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from genrec.errors import ArtifactError
from genrec.model.transition_counts import FADING, FLOOR

# In a folder of their own: vLLM takes every file of weights beside a model's for the model's.
WEIGHTS_FILE, SETTINGS_FILE = "sasrec_head/model.safetensors", "sasrec_head/config.json"
NO_ROW = -1
"""Padding, and an item without a row."""


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


class Transitions(nn.Module):
    """Item-to-item transition counts, read like a Markov chain: a sparse matrix of log odds."""

    starts: Tensor
    followers: Tensor
    votes: Tensor

    def __init__(self, num_items: int, num_pairs: int) -> None:
        """Make room; ``of`` fills it, or a state dict."""
        super().__init__()
        self.num_items = num_items
        self.register_buffer("starts", torch.zeros(num_items + 1, dtype=torch.int64))
        self.register_buffer("followers", torch.zeros(num_pairs, dtype=torch.int32))
        self.register_buffer("votes", torch.zeros(num_pairs))

    @classmethod
    def of(cls, votes: sparse.csr_array) -> Transitions:
        """Take what ``count_transitions`` counted. Shape: (N, N)."""
        result = cls(votes.shape[0], votes.nnz)
        result.starts.copy_(torch.as_tensor(votes.indptr))
        result.followers.copy_(torch.as_tensor(votes.indices))
        result.votes.copy_(torch.as_tensor(votes.data))
        return result

    def forward(self, histories: Tensor) -> Tensor:
        """Score every row as the next one of each history.

        Args:
            histories: Rows, oldest first, padded at the end with ``NO_ROW``, which may also stand
                for items that were never counted. Shape: (B, T).

        Returns:
            Log odds, above 0 where anything voted; the last column is that of an item that was
            never counted. Shape: (B, N + 1).
        """
        num_rows, width = histories.shape
        present = histories != NO_ROW
        newest = (present * torch.arange(width, device=histories.device)).amax(dim=1, keepdim=True)
        age = newest - torch.arange(width, device=histories.device)
        loudness = torch.where(present, FADING ** age.clamp(min=0).float(), 0.0)
        rows = histories.clamp(min=0)
        counts = torch.where(present, self.starts[rows + 1] - self.starts[rows], 0).flatten()
        owners = torch.repeat_interleave(counts)
        offsets = torch.arange(len(owners), device=owners.device)
        places = self.starts[rows].flatten()[owners] + offsets - (counts.cumsum(0) - counts)[owners]
        cells = owners // width * (self.num_items + 1) + self.followers[places]
        sums = self.votes.new_zeros(num_rows * (self.num_items + 1))
        sums.index_add_(0, cells, self.votes[places] * loudness.flatten()[owners])
        return (sums.view(num_rows, -1) / FLOOR).log1p()


class SasRecHead(nn.Module):
    """Reads rows of an ID table and scores all of them as the next one."""

    centroids: Tensor
    weight: float = 0.0
    """Its part in the odds while decoding, 0 to 1; the causal LM has the rest."""
    transitions: Transitions | None
    transitions_weight: float = 0.0
    """What their log odds are multiplied by before they join the logits."""

    def __init__(self, num_items: int, centroids: Tensor, config: SasRecHeadConfig) -> None:
        """Start from nothing.

        Args:
            num_items: Rows of the table it is trained on.
            centroids: Of the table's codes. Shape: (L, K, D); L = 0 leaves codes out.
            config: Size.
        """
        super().__init__()
        self.config = config
        self.transitions = None
        self.encoder = SequenceEncoder(config)
        self.item_embedding = nn.Embedding(num_items, config.hidden_size)
        self.projection = nn.Linear(centroids.shape[-1], config.hidden_size, bias=False)
        for matrix in (self.item_embedding.weight, self.projection.weight):
            nn.init.normal_(matrix, std=0.02)
        self.register_buffer("centroids", centroids)

    def vectors(self, known: Tensor, codes: Tensor) -> Tensor:
        """Return the vectors of items.

        Args:
            known: Row each item had in the table of training; ``NO_ROW`` for one that came later.
                Shape: (...).
            codes: Shape: (..., L), int64.

        Returns:
            Shape: (..., H).
        """
        own: Tensor = self.item_embedding(known.clamp(min=0)) * (known != NO_ROW).unsqueeze(-1)
        num_levels, codebook_size, _ = self.centroids.shape
        if num_levels:
            starts = torch.arange(num_levels, device=codes.device) * codebook_size
            of_codes = self.projection(self.centroids).flatten(0, 1)
            own = own + F.embedding(codes + starts, of_codes).sum(dim=-2)
        return own

    def forward(self, histories: Tensor, vectors: Tensor, known: Tensor) -> Tensor:
        """Score every item as the next one of each history.

        Args:
            histories: Rows, oldest first, padded at the end with ``NO_ROW``; only the newest
                ``max_events`` are read. Shape: (B, T).
            vectors: Of all items, from ``vectors``. Shape: (N, H).
            known: What ``vectors`` was given for them. Shape: (N,).

        Returns:
            Logits; equal ones for a history without items. Shape: (B, N).
        """
        histories = newest(histories, self.config.max_events)
        present = histories != NO_ROW
        queries = self.encoder(vectors[histories.clamp(min=0)] * present.unsqueeze(-1))
        lengths = present.sum(dim=1)
        last = queries[torch.arange(len(queries)), (lengths - 1).clamp(min=0)]
        logits: Tensor = (last * (lengths > 0).unsqueeze(-1)) @ vectors.T
        if self.transitions is not None and self.transitions_weight:
            met = known[histories.clamp(min=0)].where(present, NO_ROW)
            logits = logits + self.transitions_weight * self.transitions(met)[:, known]
        return logits

    def loss(self, histories: Tensor, negatives: Tensor, codes: Tensor) -> Tensor:
        """Return the mean loss in nats of telling every next item from the negatives.

        Args:
            histories: Rows, oldest first, padded at the end with ``NO_ROW``. Shape: (B, T + 1).
            negatives: Rows. Shape: (n,).
            codes: Of the table. Shape: (N, L), int64.
        """
        vectors = self.vectors(histories, codes[histories.clamp(min=0)])
        asked = histories[:, 1:] != NO_ROW
        queries = self.encoder(vectors[:, :-1])[asked]
        right = (queries * vectors[:, 1:][asked]).sum(dim=-1, keepdim=True)
        wrong = queries @ self.vectors(negatives, codes[negatives]).T
        targets = histories[:, 1:][asked].unsqueeze(1)
        logits = torch.cat([right, wrong.masked_fill(negatives == targets, -torch.inf)], dim=1)
        return F.cross_entropy(logits.float(), torch.zeros_like(targets[:, 0]))


def save_sasrec_head(head: SasRecHead, directory: Path) -> None:
    """Write a trained head into the folder of the model it goes with."""
    (directory / WEIGHTS_FILE).parent.mkdir()
    save_file(head.state_dict(), directory / WEIGHTS_FILE)
    described = {
        "num_items": head.item_embedding.num_embeddings,
        "weight": head.weight,
        "transitions_weight": head.transitions_weight,
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
        head = SasRecHead(described["num_items"], weights["centroids"], config)
        if "transitions.votes" in weights:
            head.transitions = Transitions(
                described["num_items"], len(weights["transitions.votes"])
            )
            head.transitions_weight = float(described["transitions_weight"])
        head.load_state_dict(weights)
        head.weight = float(described["weight"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ArtifactError(
            f"the SASRec head in {directory} is damaged ({reason}); make the run again"
        ) from None
    return head.eval()


def newest(histories: Tensor, count: int) -> Tensor:
    """Keep the last ``count`` rows of each history. Shape: (B, T) to (B, at most count)."""
    width = histories.shape[1]
    if width <= count:
        return histories
    lengths = (histories != NO_ROW).sum(dim=1, keepdim=True)
    start = (lengths - count).clamp(min=0)
    columns = start + torch.arange(count, device=histories.device)
    return histories.gather(1, columns)


def pad_histories(histories: Sequence[Sequence[int]]) -> Tensor:
    """Lay histories out, padded at the end. Shape: (B, longest, at least 1)."""
    width = max((len(history) for history in histories), default=0)
    laid = torch.full((len(histories), max(width, 1)), NO_ROW, dtype=torch.int64)
    for row, history in zip(laid, histories, strict=True):
        row[: len(history)] = torch.as_tensor(history, dtype=torch.int64)
    return laid
