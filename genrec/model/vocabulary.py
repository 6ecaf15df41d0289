"""The semantic-ID vocabulary inside a tokenizer: codes to token IDs and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import AddedToken, PreTrainedTokenizerFast

from genrec.errors import ArtifactError, ConfigError, DecodeError
from genrec.schema import SemanticId
from genrec.stream.sid_text import sid_token
from genrec.stream.templates import MARKERS

if TYPE_CHECKING:
    from genrec.semantic_ids.table import SemanticIdTable


def sid_tokens(table: SemanticIdTable) -> list[str]:
    """Return every semantic-ID token of a table, level by level."""
    return [
        sid_token(level, code)
        for level in range(table.num_levels)
        for code in range(table.codebook_size)
    ]


def add_vocabulary(tokenizer: PreTrainedTokenizerFast, table: SemanticIdTable) -> None:
    """Add the markers and semantic-ID tokens to a tokenizer, in place.

    Raises:
        ConfigError: The tokenizer writes one of them in several tokens nevertheless.
    """
    tokens = [*MARKERS, *sid_tokens(table)]
    tokenizer.add_tokens(
        [AddedToken(token, special=True, normalized=False) for token in tokens],
        special_tokens=True,
    )
    vocabulary = tokenizer.get_vocab()
    for token in tokens:
        if tokenizer.encode(token, add_special_tokens=False) != [vocabulary.get(token)]:
            raise ConfigError(
                f"the base's tokenizer does not keep '{token}' as one token (it normalises or "
                "splits it); use another base"
            )


def new_rows(tokenizer: Any, table: SemanticIdTable) -> list[int]:
    """Return the token IDs that ``add_vocabulary`` added: markers and semantic IDs."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in (*MARKERS, *sid_tokens(table))]


@dataclass(frozen=True)
class SidVocabulary:
    """Token IDs of the codes.

    Attributes:
        token_ids: Token of each code. Shape: (L, K).
    """

    token_ids: np.ndarray

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, table: SemanticIdTable) -> SidVocabulary:
        """Read the vocabulary that ``add_vocabulary`` wrote.

        Raises:
            ArtifactError: The tokenizer lacks a token of the table.
        """
        tokens = sid_tokens(table)
        vocabulary = tokenizer.get_vocab()
        missing = [token for token in tokens if token not in vocabulary]
        if missing:
            raise ArtifactError(
                f"the base's tokenizer lacks {len(missing)} semantic-ID tokens such as "
                f"{missing[0]}: it was made for another table; run `genrec base` on this index"
            )
        ids = np.array([vocabulary[token] for token in tokens], dtype=np.int64)
        return cls(ids.reshape(table.num_levels, table.codebook_size))

    def paths(self, codes: np.ndarray) -> np.ndarray:
        """Return the token path of each row of codes. Shapes: (N, L) to (N, L)."""
        result: np.ndarray = self.token_ids[np.arange(codes.shape[1]), codes]
        return result

    def holds(self, prefix: SemanticId) -> bool:
        """Tell whether codes can be the beginning of a semantic ID, or a whole one."""
        num_levels, codebook_size = self.token_ids.shape
        return 0 < len(prefix) <= num_levels and all(0 <= code < codebook_size for code in prefix)

    def path_of(self, prefix: SemanticId) -> list[int]:
        """Return the tokens of a prefix of a semantic ID.

        Raises:
            DecodeError: It is no prefix: too long, or not of this codebook.
        """
        num_levels, codebook_size = self.token_ids.shape
        if prefix and (len(prefix) == num_levels or not self.holds(prefix)):
            raise DecodeError(
                f"{tuple(prefix)} is no prefix of a semantic ID: give at most {num_levels - 1} "
                f"codes of 0..{codebook_size - 1}"
            )
        result: list[int] = self.paths(np.array([prefix], dtype=int))[0].tolist()
        return result

    def codes_at(self, level: int, tokens: np.ndarray) -> np.ndarray:
        """Return the codes that tokens of a level stand for. Shape: that of ``tokens``."""
        of_level = self.token_ids[level]
        by_token = of_level.argsort()
        result: np.ndarray = by_token[np.searchsorted(of_level, tokens, sorter=by_token)]
        return result
