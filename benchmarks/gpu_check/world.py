"""A catalogue, streams over it and models with random weights: all that speed depends on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen3Config, Qwen3ForCausalLM

from benchmarks.decode_speed import CODEBOOK_SIZE, FIRST_CODE, NUM_LEVELS, clustered_paths
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.model.item_loss import ItemLoss
from genrec.model.loss import StreamLoss, Target
from genrec.model.vocabulary import SidVocabulary
from genrec.training.packing import collate, pack

PAD, HEADER, WORDS = 0, (2, 3, 4), 5
WEIGHTS = {Target.ITEM: 1.0, Target.REVIEW: 0.1}


@dataclass(frozen=True)
class Size:
    """How large a model is, in the shape of Qwen3."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int


TINY = Size(1_280, 64, 192, 2, 4, 2, 16)
SIZES = {
    "135M": Size(49_920, 576, 1536, 30, 9, 3, 64),
    "0.6B": Size(152_448, 1024, 3072, 28, 16, 8, 128),
}


def build_model(
    size: Size, device: str, dtype: torch.dtype = torch.float32, spread: float = 0.02
) -> Qwen3ForCausalLM:
    """Return the same random weights every time on the same kind of device."""
    torch.manual_seed(0)
    config = Qwen3Config(
        **vars(size),
        max_position_embeddings=4096,
        initializer_range=spread,
        tie_word_embeddings=True,
        pad_token_id=PAD,
    )
    with torch.device(device):
        return Qwen3ForCausalLM(config).to(dtype)


class World:
    """Items of three codes at the end of a vocabulary, and users who take them at random."""

    def __init__(self, vocab_size: int, num_items: int) -> None:
        first = vocab_size - NUM_LEVELS * CODEBOOK_SIZE
        self.opening = first - 1
        self.paths = clustered_paths(num_items) - FIRST_CODE + first
        token_ids = np.arange(NUM_LEVELS * CODEBOOK_SIZE).reshape(NUM_LEVELS, -1) + first
        self._vocabulary = SidVocabulary(token_ids)
        self._rng = np.random.default_rng(0)

    @cached_property
    def trie(self) -> DeviceTrie:
        """Of all items, on the CPU."""
        return DeviceTrie.from_trie(Trie.build(self.paths))

    def prompts(self, users: int, num_tokens: int) -> Tensor:
        """Return prompts of random words that ask for an item. Shape: (users, num_tokens)."""
        tokens = torch.from_numpy(self._rng.integers(WORDS, self.opening, (users, num_tokens)))
        tokens[:, -1] = self.opening
        return tokens

    def batch(self, rows: int, row_tokens: int) -> dict[str, Tensor]:
        """Return a batch as training packs it: whole rows, several samples in each."""
        samples = []
        packed: list[list[int]] = []
        while len(packed) <= rows:
            samples += [self._sample(row_tokens) for _ in range(4 * rows)]
            packed = pack([len(tokens) for tokens, _ in samples], row_tokens, seed=0)
        laid = [[samples[number] for number in row] for row in packed[:rows]]
        arrays = collate(laid, row_tokens, PAD)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def loss(self, model: torch.nn.Module, packed_attention: bool = False) -> StreamLoss:
        """Return a model with its loss, in training mode."""
        codes = self.paths - self._vocabulary.token_ids[:, 0]
        items = ItemLoss(self._vocabulary, codes, self.opening)
        return StreamLoss(model, items, WEIGHTS, packed_attention=packed_attention).train()

    def _sample(self, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw a history: per event four words, an item, and now and then a review."""
        rng, tokens, kinds = self._rng, list(HEADER), [Target.NONE] * len(HEADER)
        for _ in range(int(rng.integers(5, 41))):
            review = 0 if rng.random() < 0.3 else int(rng.geometric(1 / 25))
            path = self.paths[rng.integers(len(self.paths))]
            words = rng.integers(WORDS, self.opening, 4 + review)
            part = [*words[:4], self.opening, *path, *words[4:]]
            if len(tokens) + len(part) > most:
                break
            tokens += part
            kinds += [Target.NONE] * 5 + [Target.ITEM] * NUM_LEVELS + [Target.REVIEW] * review
        return np.array(tokens), np.array(kinds)
