"""The loss of items: each code told from its siblings, as the decoder will choose.

The decoder normalises a code's odds over the children its node has (``genrec.decode.policy``), so
that is what is trained: no effort goes into ruling out tokens that the trie rules out anyway, and a
code without siblings costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import ROOT, Trie
from genrec.model.vocabulary import SidVocabulary


class ItemLoss(nn.Module):
    """Cross-entropy over siblings, for every item of a batch."""

    def __init__(self, vocabulary: SidVocabulary, codes: np.ndarray, opening: int) -> None:
        """Take the items there are.

        Args:
            vocabulary: Codes to tokens.
            codes: Of the table. Shape: (N, L).
            opening: Token after which an item is written.
        """
        super().__init__()
        self._opening = opening
        self._token_ids = torch.as_tensor(vocabulary.token_ids)
        code_of = np.zeros(vocabulary.token_ids.max() + 1, dtype=np.int64)
        code_of[vocabulary.token_ids] = np.arange(vocabulary.token_ids.shape[1])
        self._code_of = torch.as_tensor(code_of)
        self._trie = DeviceTrie.from_trie(Trie.build(vocabulary.paths(codes)))

    def forward(self, hidden: Tensor, input_ids: Tensor, is_item: Tensor, output: Any) -> Tensor:
        """Return the summed loss in nats.

        Args:
            hidden: Last hidden states. Shape: (B, T, H).
            input_ids: Shape: (B, T).
            is_item: Whether each token is a code to be predicted. Shape: (B, T), bool.
            output: The model's output embedding.
        """
        self._move(hidden.device)
        opened = is_item[:, 1:] & (input_ids[:, :-1] == self._opening)
        rows, columns = opened.nonzero(as_tuple=True)
        states = torch.full_like(rows, ROOT)
        total = hidden.new_zeros((), dtype=torch.float32)
        # Of all levels at once: each look-up's gradient is a matrix as large as the vocabulary's.
        weights = output.weight[self._token_ids]
        bias = getattr(output, "bias", None)
        biases = None if bias is None else bias[self._token_ids]
        for level, weight in enumerate(weights):
            nodes, tokens, there = self._trie.expand(states)
            states = self._trie.step(states, input_ids[rows, columns + level + 1])
            choosing = there.sum(dim=1) > 1
            if not choosing.any():
                continue
            bias = None if biases is None else biases[level]
            logits = F.linear(hidden[rows, columns + level][choosing], weight, bias).float()
            among = logits.gather(1, self._code_of[tokens[choosing]])
            among = among.masked_fill(~there[choosing], -torch.inf)
            # Children are numbered in a row.
            target = (states - nodes[:, 0])[choosing]
            total = total + F.cross_entropy(among, target, reduction="sum")
        return total

    def _move(self, device: torch.device) -> None:
        if self._token_ids.device != device:
            self._token_ids, self._code_of = self._token_ids.to(device), self._code_of.to(device)
            self._trie = self._trie.to(device)
