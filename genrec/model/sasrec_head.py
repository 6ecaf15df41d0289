"""The SASRec head: one vector for what a user will want next, one for every item.

A small causal transformer over items instead of tokens. It sees every item as a whole, where the
causal LM spells it code by code; the two find different items, and are pooled while decoding
(``genrec.decode.policy``).

An item's vector is the sum of one of its own, which is learned, of those of its codes, and of what
a small network makes of its text. In training an item's own vector is sometimes left out, so that
the rest learns to do without: a new item, which has no vector of its own, then stands where its
text puts it.

Two further terms join the logits: counts of what followed what, and of what users begin with
(``Transitions``; a new item has those of the items whose texts are most like its own), and the
likeness of an item's text to that of the user's last items. Where a user says what they look for,
how well items match it is a third, and what is popular of late a fourth; whoever knows the items'
words, and when events came, brings them (``genrec.engines.policy``).

Source: SASRec, Kang and McAuley, arXiv 1808.09781; trained with sampled softmax as in eSASRec,
arXiv 2508.06450. Text beside an ID vector that is dropped at random: DropoutNet, Volkovs et al.
2017. Without codes and text it is the SASRec of the baselines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from genrec.model.item_features import NO_ROW, ItemFeatures
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.transition_counts import FADING, FLOOR

RECENT = 5
"""Events that the likeness of texts looks back on."""


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
    """Item-to-item transition counts, read like a Markov chain: a sparse matrix of log odds.

    A history of nothing that was counted is read as a beginning: what users take first votes.
    """

    openings: Tensor
    starts: Tensor
    followers: Tensor
    votes: Tensor

    def __init__(self, num_items: int, num_pairs: int) -> None:
        """Make room; ``of`` fills it, or a state dict."""
        super().__init__()
        self.num_items = num_items
        self.register_buffer("openings", torch.zeros(num_items))
        self.register_buffer("starts", torch.zeros(num_items + 1, dtype=torch.int64))
        self.register_buffer("followers", torch.zeros(num_pairs, dtype=torch.int32))
        self.register_buffer("votes", torch.zeros(num_pairs))

    @classmethod
    def of(cls, votes: sparse.csr_array, openings: np.ndarray | Tensor) -> Transitions:
        """Take what ``count_transitions`` and ``count_openings`` counted. Shapes: (N, N), (N,)."""
        result = cls(votes.shape[0], votes.nnz)
        result.openings.copy_(torch.as_tensor(openings))
        result.starts.copy_(torch.as_tensor(votes.indptr))
        result.followers.copy_(torch.as_tensor(votes.indices))
        result.votes.copy_(torch.as_tensor(votes.data))
        return result

    def to_votes(self) -> sparse.csr_array:
        """Return the counts of what followed what that ``of`` took. Shape: (N, N)."""
        parts = (self.votes, self.followers, self.starts)
        shape = (self.num_items, self.num_items)
        return sparse.csr_array(tuple(part.cpu().numpy() for part in parts), shape=shape)

    def forward(self, histories: Tensor) -> Tensor:
        """Score every row as the next one of each history.

        Args:
            histories: Rows, oldest first, padded at the end with ``NO_ROW``, which may also stand
                for items that were never counted. Shape: (B, T).

        Returns:
            Log odds, above 0 where anything voted; the last column is that of an item that was
            never counted. Shape: (B, N + 1).
        """
        cells, votes = self._votes(histories)
        sums = self.votes.new_zeros(len(histories) * (self.num_items + 1))
        sums.index_add_(0, cells, votes)
        return (sums.view(len(histories), -1) / FLOOR).log1p()

    def singles(self, histories: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what ``forward`` does where it is above 0.

        Args:
            histories: Shape: (B, T).

        Returns:
            Places in ``histories``, rows and log odds. Shapes: (n,).
        """
        cells, votes = self._votes(histories)
        cells, index = torch.unique(cells, return_inverse=True)
        sums = votes.new_zeros(len(cells)).index_add_(0, index, votes)
        width = self.num_items + 1
        return cells // width, cells % width, (sums / FLOOR).log1p()

    def _votes(self, histories: Tensor) -> tuple[Tensor, Tensor]:
        """Return single votes, each with its cell of what ``forward`` returns. Shapes: (n,)."""
        _, width = histories.shape
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
        votes = self.votes[places] * loudness.flatten()[owners]
        beginnings = (histories == NO_ROW).all(dim=1).nonzero()
        first = self.openings.nonzero()[:, 0]
        opening = (beginnings * (self.num_items + 1) + first).flatten()
        return (
            torch.cat([cells, opening]),
            torch.cat([votes, self.openings[first].repeat(len(beginnings))]),
        )


@dataclass(frozen=True)
class Terms:
    """What joins the head's logits, in nats.

    Attributes:
        transitions: Factor of the log odds of the transition counts.
        likeness: Factor of the likeness of an item's text to the user's last items, -1 to 1.
        wish: Factor of how well an item matches what is looked for, a BM25 score; where nothing
            was chosen, as for bases made before there were wishes, a cautious one.
        about: How much of that factor what users say of themselves gets, 0 to 1.
        popularity: Factor of recent popularity (``genrec.model.recent_popularity``); 0 where
            validation does not surely gain by it.
        popularity_days: How far back that looks.
    """

    transitions: float = 0.0
    likeness: float = 0.0
    wish: float = 1.0
    about: float = 0.5
    popularity: float = 0.0
    popularity_days: float = 30.0


class SasRecHead(nn.Module):
    """Scores the items of an ID table as the next one of a history."""

    centroids: Tensor
    weight: float = 0.0
    """Its part in the odds while decoding, 0 to 1; the causal LM has the rest."""
    new_item_boost: float = 0.0
    """Nats that items without a vector of their own get beside what head and LM say together."""
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
        looked_at = items.known
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
            Logits. Shape: (B, N).
        """
        return self.score_parts(histories, items, vectors, self.terms).join(self.terms)

    @property
    def knows_likeness(self) -> bool:
        """Whether the likeness of texts counts."""
        return self.text_network is not None and self.terms.likeness != 0

    def read(self, histories: Tensor, vectors: Tensor) -> Tensor:
        """Return what is wanted next, as a vector whose products with items' are their logits.

        Args:
            histories: Rows, oldest first, padded at the end; ``max_events`` at most. Shape: (B, T).
            vectors: Of their items; anything where there is none. Shape: (B, T, H).

        Returns:
            Zeros for a history without items. Shape: (B, H).
        """
        present = histories != NO_ROW
        queries = self.encoder(vectors * present.unsqueeze(-1))
        lengths = present.sum(dim=1)
        last: Tensor = queries[torch.arange(len(queries)), (lengths - 1).clamp(min=0)]
        return last * (lengths > 0).unsqueeze(-1)

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
        logits = self.read(histories, vectors[histories.clamp(min=0)]) @ vectors.T
        transitions = None
        if self.transitions is not None and (wanted is None or wanted.transitions):
            met = items.met(histories)
            transitions = self.transitions(met)[:, items.trained]
            if len(items.unknown) and items.text.shape[-1]:
                transitions[:, items.unknown] += (items.lookalikes @ transitions.T).T
        likeness = None
        if self.text_network is not None and (wanted is None or wanted.likeness):
            likeness = items.profiles(newest(histories, RECENT)) @ items.text.T
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

    def join(self, terms: Terms) -> Tensor:
        """Add the terms to the logits. Shape: (B, N)."""
        joined = self.logits
        if self.transitions is not None and terms.transitions:
            joined = joined + terms.transitions * self.transitions
        if self.likeness is not None and terms.likeness:
            joined = joined + terms.likeness * self.likeness
        return joined


def newest(histories: Tensor, count: int) -> Tensor:
    """Keep the last ``count`` rows of each history. Shape: (B, T) to (B, at most count)."""
    width = histories.shape[1]
    if width <= count:
        return histories
    lengths = (histories != NO_ROW).sum(dim=1, keepdim=True)
    start = (lengths - count).clamp(min=0)
    columns = start + torch.arange(count, device=histories.device)
    return histories.gather(1, columns)
