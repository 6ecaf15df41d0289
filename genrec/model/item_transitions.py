"""What followed what, in one version of the ID table: only where it says anything."""

from __future__ import annotations

import torch
from torch import Tensor

from genrec.model.item_features import NO_ROW, ItemFeatures
from genrec.model.sasrec_head import Transitions


class ItemTransitions:
    """Log odds of transition counts by rows of a table, as ``SasRecHead.score_parts`` has them.

    Memory of an answer grows with what the items of a history have been followed by, not with the
    catalogue.
    """

    def __init__(self, num_items: int, items: ItemFeatures) -> None:
        """Find the row of every item that was counted, and who looks like it.

        Args:
            num_items: Rows of the training.
            items: Of the table.
        """
        self._items = items
        device = items.trained.device
        # One more, for an item that was never counted.
        self._row_of = torch.full((num_items + 1,), NO_ROW, device=device)
        met = (items.trained != NO_ROW).nonzero()[:, 0]
        self._row_of[items.trained[met]] = met
        self._starts = None
        if len(items.unknown) and items.text.shape[-1]:
            likeness = items.lookalikes.coalesce()
            places, rows = likeness.indices()
            order = rows.argsort(stable=True)
            self._unknown = items.unknown[places[order]]
            self._shares = likeness.values()[order]
            counts = torch.bincount(rows, minlength=len(items))
            self._starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def singles(self, transitions: Transitions, histories: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Score what followed the items of histories.

        Args:
            transitions: By rows of the training; they change with live events.
            histories: Rows, oldest first, padded at the end with ``NO_ROW``. Shape: (B, T).

        Returns:
            Places in ``histories``, rows, and what is to be added up there. Shapes: (n,).
        """
        owners, trained, odds = transitions.singles(self._items.met(histories))
        rows = self._row_of[trained]
        known = rows != NO_ROW
        owners, rows, odds = owners[known], rows[known], odds[known]
        if self._starts is None:
            return owners, rows, odds
        begins = self._starts[rows]
        counts = self._starts[rows + 1] - begins
        of = torch.repeat_interleave(counts)
        offsets = torch.arange(len(of), device=of.device) - (counts.cumsum(0) - counts)[of]
        alike = begins[of] + offsets
        return (
            torch.cat([owners, owners[of]]),
            torch.cat([rows, self._unknown[alike]]),
            torch.cat([odds, odds[of] * self._shares[alike]]),
        )
