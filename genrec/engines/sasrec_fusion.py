"""The SASRec head inside an engine: it reads the prompt's items and guides the search.

It sees what the causal LM sees, the tokens of the prompt, so that engines agree and nothing but
prompts has to reach them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from genrec.decode.constraint import Constraint
from genrec.decode.device_trie import DeviceTrie, written_leaves
from genrec.decode.fusion import Guide
from genrec.model.sasrec_head import SasRecHead
from genrec.model.transitions import NO_ROW
from genrec.semantic_ids.table import SemanticIdTable


class SasRecFusion:
    """A SASRec head and the vectors of one version of the table."""

    def __init__(
        self,
        view: SasRecHead,
        trained: SemanticIdTable,
        item_ids: Sequence[str],
        codes: np.ndarray,
        learned: np.ndarray | None,
        trie: DeviceTrie,
        opening: int,
    ) -> None:
        """Compute the vectors of a table's items.

        Args:
            view: Trained, on the device of ``trie``.
            trained: The table it was trained on. An item has the vector learned for it where it has
                the same item ID and the same codes there: another catalogue may use an ID of ours
                for something else.
            item_ids: Items of this table.
            codes: Of this table. Shape: (N, L).
            learned: Whether training met each; None: all. Shape: (N,).
            trie: Of this table.
            opening: Token after which an item is written.
        """
        known = _trained_rows(trained, item_ids, codes)
        if learned is not None:
            known[~learned] = NO_ROW
        device = trie.tokens.device
        self._known = torch.as_tensor(known, device=device)
        with torch.inference_mode():
            self._vectors = view.vectors(
                self._known, torch.as_tensor(codes, dtype=torch.int64, device=device)
            )
        self._view, self._trie, self._opening = view, trie, opening

    @torch.inference_mode()
    def guide(self, input_ids: Tensor, constraint: Constraint | None = None) -> Guide:
        """Return the second opinion on what follows each prompt.

        Args:
            input_ids: Prompts, padded with anything that opens no item. Shape: (B, T).
            constraint: Of B rows.
        """
        histories = written_leaves(input_ids, self._trie, self._opening)
        logits = self._view(histories, self._vectors, self._known)
        return Guide.build(self._trie, logits, self._view.weight, constraint)


def _trained_rows(
    trained: SemanticIdTable, item_ids: Sequence[str], codes: np.ndarray
) -> np.ndarray:
    """Return the row each item had in training, ``NO_ROW`` for others. Shape: (N,), int64."""
    known = np.array(
        [trained.index_of(item_id) if trained.knows(item_id) else NO_ROW for item_id in item_ids],
        dtype=np.int64,
    )
    known[(trained.codes[known] != codes).any(axis=1)] = NO_ROW
    return known
