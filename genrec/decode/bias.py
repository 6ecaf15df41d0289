"""Branches of the trie turned up or down, row by row: what-if at decode time.

Enters: for each row some prefixes of paths, with nats. Leaves: for any node what is added to its
log-odds among its siblings (``scores``). Must not know what a prefix stands for.

With t nats the odds of a node against its siblings are multiplied by e^t; how the leaves below it
share them is untouched, and so are filters: nothing forbidden comes back, nothing allowed is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import NO_NODE


@dataclass(frozen=True, eq=False)
class Tilt:
    """What is added to the log-odds of some nodes.

    Memory is 16 bytes for each tilted node of each row.

    Attributes:
        keys: Sorted ``row * num_nodes + node``. Shape: (E,), int64.
        nats: Of each. Shape: (E,), float32.
        num_nodes: Of the trie.
    """

    keys: Tensor
    nats: Tensor
    num_nodes: int

    @classmethod
    def build(cls, trie: DeviceTrie, rows: Sequence[Mapping[tuple[int, ...], float]]) -> Tilt:
        """Find the nodes of each row's prefixes.

        Args:
            trie: Its device is where the tilt will lie.
            rows: For each row nats by prefix (first tokens of paths); prefixes that lead nowhere
                are passed over.

        Raises:
            ValueError: Nats that are not finite.
        """
        num_nodes, device = len(trie.tokens), trie.tokens.device
        found: dict[int, float] = {}
        for number, prefixes in enumerate(rows):
            for prefix, nats in prefixes.items():
                if (node := trie.find(prefix)) != NO_NODE:
                    found[number * num_nodes + node] = nats
        keys = sorted(found)
        nats_of = torch.tensor([found[key] for key in keys], dtype=torch.float32, device=device)
        if not nats_of.isfinite().all():
            raise ValueError("a tilt must be a finite number of nats")
        return cls(torch.tensor(keys, dtype=torch.int64, device=device), nats_of, num_nodes)

    def at(self, nodes: Tensor) -> Tensor:
        """Return what is added to the log-odds of each node.

        Args:
            nodes: The first axis is the rows. Shape: (B, ...).

        Returns:
            0 for nodes that are not tilted. Shape: (B, ...), float32.
        """
        if not len(self.keys):
            return torch.zeros(nodes.shape, device=nodes.device)
        rows = torch.arange(len(nodes), device=nodes.device).view(-1, *(1,) * (nodes.ndim - 1))
        wanted = rows * self.num_nodes + nodes.clamp(max=self.num_nodes - 1)
        places = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        return torch.where(self.keys[places] == wanted, self.nats[places], 0.0)
