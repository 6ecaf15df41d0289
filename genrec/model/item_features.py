"""What the SASRec head reads: items of one version of the ID table, and histories of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from genrec.semantic_ids.table import NEVER, OF_LATE, WELL, SemanticIdTable

NO_ROW = -1
"""Padding, and an item without a row."""
NUM_LOOKALIKES = 20
SHARPNESS = 20.0
"""How much more the nearest lookalike counts than one with less likeness: exp(20 * difference)."""
AT_ONCE = 2**24
"""Likenesses of texts that are held together."""


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """Features of items, one row each; the items may be laid out in any shape.

    Attributes:
        trained: Row that each item had in training; ``NO_ROW`` for one that training never met.
            Shape: (...), int64.
        known: Whether an item has a vector of its own. One met in few events, of late, is read by
            its text, like a new one: its own would say little yet but that nobody takes it. Shape:
            (...), bool.
        codes: Shape: (..., L), int64.
        text: Text vectors of length 1, zeros where an item has no text. Shape: (..., D), float32.
    """

    trained: Tensor
    known: Tensor
    codes: Tensor
    text: Tensor

    @classmethod
    def of(cls, table: SemanticIdTable, trained_on: SemanticIdTable | None = None) -> ItemFeatures:
        """Describe the items of a table.

        Args:
            table: N items.
            trained_on: The table of the training; None: this one. An item keeps the vector that
                was learned for it where it has the same item ID and the same codes there: another
                catalogue may use an ID of ours for something else.
        """
        trained_on = table if trained_on is None else trained_on
        trained = _trained_rows(table, trained_on)
        met = trained_on.how_met[trained]
        trained[met == NEVER] = NO_ROW
        text = np.zeros((len(table), 0)) if table.text_vectors is None else table.text_vectors
        is_well_met = (trained != NO_ROW) & ((met == WELL) | ~text.any(axis=1))
        return cls(
            torch.as_tensor(trained),
            torch.as_tensor(is_well_met),
            torch.as_tensor(table.codes, dtype=torch.int64),
            torch.as_tensor(np.asarray(text, dtype=np.float32)),
        )

    @classmethod
    def plain(cls, num_items: int) -> ItemFeatures:
        """Describe items of which nothing is known but themselves."""
        return cls(
            torch.arange(num_items),
            torch.ones(num_items, dtype=torch.bool),
            torch.zeros(num_items, 0, dtype=torch.int64),
            torch.zeros(num_items, 0),
        )

    def __len__(self) -> int:
        return len(self.trained)

    @cached_property
    def unknown(self) -> Tensor:
        """Rows of a catalogue without a vector of their own. Shape: (M,)."""
        return (~self.known).nonzero().squeeze(1)

    def met_in_training(self) -> np.ndarray:
        """Return how training met the items of a catalogue, as a table has it. Shape: (N,)."""
        met = np.where(self.known.cpu(), WELL, OF_LATE)
        return np.where(self.trained.cpu() == NO_ROW, NEVER, met).astype(np.uint8)

    @cached_property
    def lookalikes(self) -> Tensor:
        """Weights of the known items whose texts are most like those of the unknown.

        They add up to at most 1, the less the less alike the texts are. Shape: (M, N), sparse.
        """
        known = self.known.nonzero().squeeze(1)
        count = min(NUM_LOOKALIKES, len(known))
        rows, weights = [], []
        for some in self.unknown.split(max(1, AT_ONCE // max(len(known), 1))):
            likeness, nearest = (self.text[some] @ self.text[known].T).topk(count)
            rows.append(known[nearest])
            weights.append((SHARPNESS * likeness).softmax(dim=1) * likeness.clamp(min=0))
        owners = torch.arange(len(self.unknown), device=known.device).repeat_interleave(count)
        columns = torch.cat(rows).flatten() if rows else known[:0]
        values = torch.cat(weights).flatten() if weights else self.text.new_zeros(0)
        shape = (len(self.unknown), len(self))
        places = torch.stack([owners, columns])
        return torch.sparse_coo_tensor(places, values, shape, check_invariants=False)

    def __getitem__(self, rows: Tensor) -> ItemFeatures:
        """Look rows up; padding gets the features of some item. Shape of rows: (...)."""
        rows = rows.clamp(min=0)
        return ItemFeatures(*(each[rows] for each in self._parts))

    def met(self, rows: Tensor) -> Tensor:
        """Return the rows that items had in training; padding stays. Shape of rows: (...)."""
        return self.trained[rows.clamp(min=0)].where(rows != NO_ROW, NO_ROW)

    def profiles(self, histories: Tensor) -> Tensor:
        """Return the mean text vector of each history's items. Shape: (B, T) to (B, D)."""
        present = (histories != NO_ROW).unsqueeze(-1)
        total = (self.text[histories.clamp(min=0)] * present).sum(dim=1)
        return total / present.sum(dim=1).clamp(min=1)

    def without(self, rows: Tensor) -> ItemFeatures:
        """Return the features as if training had never met some rows. Shape of rows: (n,)."""
        trained = self.trained.index_fill(0, rows, NO_ROW)
        return replace(self, trained=trained, known=self.known.index_fill(0, rows, False))

    def to(self, device: torch.device | str) -> ItemFeatures:
        """Move to a device."""
        return ItemFeatures(*(each.to(device) for each in self._parts))

    @property
    def _parts(self) -> tuple[Tensor, ...]:
        return self.trained, self.known, self.codes, self.text


def _trained_rows(table: SemanticIdTable, trained_on: SemanticIdTable) -> np.ndarray:
    if table is trained_on:
        return np.arange(len(table))
    rows = np.array(
        [
            trained_on.index_of(item_id) if trained_on.knows(item_id) else NO_ROW
            for item_id in table.item_ids
        ],
        dtype=np.int64,
    )
    rows[(trained_on.codes[rows] != table.codes).any(axis=1)] = NO_ROW
    return rows


def pad_histories(histories: Sequence[Sequence[int]]) -> Tensor:
    """Lay histories out, padded at the end. Shape: (B, longest, at least 1)."""
    width = max((len(history) for history in histories), default=0)
    laid = torch.full((len(histories), max(width, 1)), NO_ROW, dtype=torch.int64)
    for row, history in zip(laid, histories, strict=True):
        row[: len(history)] = torch.as_tensor(history, dtype=torch.int64)
    return laid
