"""The dense view inside an engine: it reads the prompt's items and guides the search.

It sees what the causal LM sees, the tokens of the prompt, so that engines agree and nothing but
prompts has to reach them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genrec.decode.constraint import Constraint
from genrec.decode.guide import Guide
from genrec.decode.mask import DeviceTrie, written_leaves
from genrec.model.dense import NO_ROW, DenseView


class DenseGuide:
    """A dense view and the vectors of one version of the table."""

    def __init__(
        self,
        view: DenseView,
        trained_ids: Sequence[str],
        item_ids: Sequence[str],
        codes: np.ndarray,
        learned: np.ndarray | None,
        trie: DeviceTrie,
        opening: int,
    ) -> None:
        """Compute the vectors of a table's items.

        Args:
            view: Trained, on the device of ``trie``.
            trained_ids: Items of the table it was trained on.
            item_ids: Items of this table.
            codes: Of this table. Shape: (N, L).
            learned: Whether training met each; None: all. Shape: (N,).
            trie: Of this table.
            opening: Token after which an item is written.
        """
        place = {item_id: row for row, item_id in enumerate(trained_ids)}
        known = np.array([place.get(item_id, NO_ROW) for item_id in item_ids], dtype=np.int64)
        if learned is not None:
            known[~learned] = NO_ROW
        device = trie.tokens.device
        with torch.inference_mode():
            self._vectors = view.vectors(
                torch.as_tensor(known, device=device),
                torch.as_tensor(codes, dtype=torch.int64, device=device),
            )
        self._view, self._trie, self._opening = view, trie, opening

    @torch.inference_mode()
    def guide(self, input_ids: Tensor, constraint: Constraint | None = None) -> Guide:
        """Return the second opinion on what follows each prompt.

        Args:
            input_ids: Prompts, padded with anything that opens no item. Shape: (B, T).
            constraint: Of B rows.
        """
        logits = self._view(written_leaves(input_ids, self._trie, self._opening), self._vectors)
        return Guide.build(self._trie, logits, self._view.weight, constraint)
