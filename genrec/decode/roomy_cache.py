"""Keys and values of prompts, with room behind them for what is read next.

Enters: keys and values, layer by layer, and blocks of them that were kept. Leaves: a cache that a
Hugging Face model appends to. Must not know what the tokens stand for.

transformers' own cache puts old and new keys into new memory at every call. Of a prompt of 4,000
tokens, read with SmolLM2-135M, that is 170 MB to copy for 20 tokens of beams, and new memory costs
more than the copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, DynamicLayer

ROOM = 128
"""Columns that are kept free; what needs more is copied, and has as many free again."""

Numbers: TypeAlias = Sequence[Tensor]
"""Keys and values of some tokens in all layers, one tensor for each size of heads: (H, T, size)."""


class RoomyLayer(DynamicLayer):
    """A layer's keys and values: the first columns of memory that holds more."""

    _memory: tuple[Tensor, Tensor]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Start with no columns, shaped like these."""
        self.take(key_states[..., :0, :], value_states[..., :0, :], 0)

    def take(self, keys: Tensor, values: Tensor, num_columns: int) -> None:
        """Take memory over, of which the first columns are in use. Shapes: (B, heads, room, D)."""
        self.dtype, self.device = keys.dtype, keys.device
        self._memory = keys, values
        self.keys, self.values = keys[..., :num_columns, :], values[..., :num_columns, :]
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append columns; see ``DynamicLayer``."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None
        begun = self.keys.shape[-2]
        end = begun + key_states.shape[-2]
        memory = self._memory
        if end > memory[0].shape[-2]:
            memory = _enlarge(memory[0], begun, end + ROOM), _enlarge(memory[1], begun, end + ROOM)
        for whole, new in zip(memory, (key_states, value_states), strict=True):
            whole[..., begun:end, :] = new
        keys, values = (whole[..., :end, :] for whole in memory)
        self._memory, self.keys, self.values = memory, keys, values
        return keys, values


def _enlarge(memory: Tensor, used: int, columns: int) -> Tensor:
    larger = memory.new_empty((*memory.shape[:-2], columns, memory.shape[-1]))
    larger[..., :used, :] = memory[..., :used, :]
    return larger


class RoomyCache(DynamicCache):
    """A cache of ``RoomyLayer``s."""

    def __init__(self) -> None:
        """Start empty."""
        Cache.__init__(self, layer_class_to_replicate=RoomyLayer)


@dataclass(frozen=True)
class Layout:
    """How the keys and values of all layers lie side by side in ``Numbers``.

    Attributes:
        shapes: Of each layer's keys and values in turn: heads, size of a head.
    """

    shapes: tuple[tuple[int, int], ...]

    @property
    def sizes(self) -> list[int]:
        """Of heads; most models have one only."""
        return sorted({size for _, size in self.shapes})

    @classmethod
    def of(cls, cache: DynamicCache) -> Layout:
        """Return that of a model which has filled a cache."""
        return cls(tuple((part.shape[1], part.shape[3]) for part in _parts(cache)))

    def write(self, cache: DynamicCache, columns: int) -> list[Tensor]:
        """Return what the last columns of a cache hold. Shape of each: (B, H, columns, size)."""
        ends = [part[:, :, -columns:] for part in _parts(cache)]
        return [
            torch.cat([end for end in ends if end.shape[-1] == size], dim=1) for size in self.sizes
        ]

    def read(self, rows: Sequence[Sequence[Numbers]], columns: int, room: int) -> RoomyCache:
        """Return a cache that begins with blocks, row by row; what is left of a row is 0.

        Args:
            rows: Blocks that follow one another, at least one in all.
            columns: As many as the longest row has.
            room: Columns to keep free behind them.
        """
        memory = {
            size: _lay_out([[block[place] for block in blocks] for blocks in rows], columns, room)
            for place, size in enumerate(self.sizes)
        }
        cache, taken, parts = RoomyCache(), dict.fromkeys(self.sizes, 0), list[Tensor]()
        for heads, size in self.shapes:
            parts.append(memory[size][:, taken[size] : taken[size] + heads])
            taken[size] += heads
        for keys, values in zip(parts[::2], parts[1::2], strict=True):
            layer = RoomyLayer()  # type: ignore[no-untyped-call]
            layer.take(keys, values, columns)
            cache.layers.append(layer)
        return cache


def _lay_out(rows: Sequence[Sequence[Tensor]], columns: int, room: int) -> Tensor:
    """Put blocks of one size of heads into memory of their own. Shape: (B, H, columns + room, D).

    Each block is copied once, to where it is read from.
    """
    some = next(block for blocks in rows for block in blocks)
    memory = some.new_empty((len(rows), len(some), columns + room, some.shape[-1]))
    for row, blocks in zip(memory, rows, strict=True):
        end = 0
        for block in blocks:
            row[:, end : end + block.shape[1]] = block
            end += block.shape[1]
        row[:, end:columns] = 0
    return memory


def _parts(cache: DynamicCache) -> list[Tensor]:
    """Return each layer's keys and values in turn. Shape of each: (B, heads, columns, size)."""
    return [part for keys, values, *_ in cache for part in (keys, values)]
