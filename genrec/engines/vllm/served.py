"""From the folder of a served base to what it may name: table, trie, tokens.

Read by every process of a server for itself. The environment says what vLLM's own arguments have
no room for:

    GENREC_BASE     folder of the base, for the checks at the API server's door
    GENREC_TABLE    file of a table that was put while serving; need not exist
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer

from genrec.artifacts import MANIFEST, find_parent, read_manifest
from genrec.decode.device_trie import DeviceTrie
from genrec.decode.trie import Trie
from genrec.engines.policy import MatchesAlone, SasRecFusion
from genrec.engines.vllm.table_file import file_stamp, read_table, table_id
from genrec.errors import ArtifactError, DataError
from genrec.model.load import FULL_MODELS, load_sasrec_head
from genrec.model.sasrec_head import SasRecHead, Terms
from genrec.model.vocabulary import SidVocabulary
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.templates import END_MARKER, ITEM_MARKER

BASE_VARIABLE = "GENREC_BASE"
TABLE_VARIABLE = "GENREC_TABLE"

logger = logging.getLogger("vllm.genrec")


@dataclass(frozen=True)
class ServedBase:
    """What of a served base never changes.

    Attributes:
        path: Its folder.
        content_hash: Of the base.
        vocabulary: Codes to token IDs.
        opening: Token after which an item is written.
        end: Token that ends a text.
        table: The table it was built on.
        sasrec_head: The SASRec head that goes with it; None where it has none.
    """

    path: Path
    content_hash: str
    vocabulary: SidVocabulary
    opening: int
    end: int
    table: SemanticIdTable
    sasrec_head: SasRecHead | None = None

    @classmethod
    def load(cls, path: Path) -> ServedBase:
        """Read a base's folder.

        Raises:
            ArtifactError: Not a base, or its table is missing or another one.
        """
        manifest = read_manifest(path, FULL_MODELS)
        table = SemanticIdTable.load(find_parent(path, "index"))
        tokenizer = AutoTokenizer.from_pretrained(path)
        token_ids = tokenizer.get_vocab()
        vocabulary = SidVocabulary.from_tokenizer(tokenizer, table)
        return cls(
            path,
            manifest.content_hash,
            vocabulary,
            token_ids[ITEM_MARKER],
            token_ids[END_MARKER],
            table,
            load_sasrec_head(path),
        )


@dataclass(frozen=True, eq=False)
class Catalogue:
    """One version of the table a server names items from; never changed.

    Attributes:
        base: What it is served by.
        table: N items.
        table_id: Its hash.
        trie: Of the rows' tokens.
    """

    base: ServedBase
    table: SemanticIdTable
    table_id: str
    trie: DeviceTrie

    @classmethod
    def build(
        cls, base: ServedBase, table: SemanticIdTable, device: torch.device | str
    ) -> Catalogue:
        """Build the trie on a device."""
        trie = Trie.build(base.vocabulary.paths(table.codes))
        return cls(
            base,
            table,
            table_id(table),
            DeviceTrie.from_trie(trie, device, table.seen_in_training),
        )

    @cached_property
    def fusion(self) -> SasRecFusion | MatchesAlone:
        """What stands beside the causal LM: the SASRec head, or matches alone."""
        head = self.base.sasrec_head
        if head is None or head.weight == 0:
            return MatchesAlone(self.trie, Terms() if head is None else head.terms)
        return SasRecFusion(head, self.table, self.base.table, self.trie, self.base.opening)

    @cached_property
    def is_sid_token(self) -> torch.Tensor:
        """Whether each token is one of an item's. Shape: (largest such token + 1,), bool."""
        tokens = torch.as_tensor(self.base.vocabulary.token_ids.ravel())
        mask = torch.zeros(int(tokens.max()) + 1, dtype=torch.bool)
        mask[tokens] = True
        return mask.to(self.trie.tokens.device)

    def rows(self, items: Sequence[str | int], strict: bool) -> list[int]:
        """Return the rows of items given by ID (text) or by row (number).

        Args:
            items: What a request named.
            strict: Whether an item that is not there is an error, or passed over.

        Raises:
            DataError: No such item.
        """
        rows = []
        for item in items:
            if isinstance(item, str):
                row = self.table.index_of(item) if self.table.knows(item) else -1
            else:
                row = item
            if 0 <= row < len(self.table):
                rows.append(row)
            elif strict:
                raise DataError(
                    f"item {item!r} is not in the served table of {len(self.table)} items; "
                    "name items by ID (text) or by row (number from 0)"
                )
        return rows


def check_table(base: ServedBase, table: SemanticIdTable) -> None:
    """Check that a table put while serving fits the base's codebook.

    Raises:
        DataError: It does not.
    """
    num_levels, codebook_size = base.vocabulary.token_ids.shape
    item_ids, codes, seen = table.item_ids, table.codes, table.seen_in_training
    if codes.ndim != 2 or codes.shape != (len(item_ids), num_levels) or not len(item_ids):
        raise DataError(
            f"{len(item_ids)} items and codes of shape {codes.shape}; each item needs {num_levels} "
            "codes, and at least one item must stay"
        )
    if codes.min() < 0 or codes.max() >= codebook_size:
        raise DataError(f"codes must lie in 0..{codebook_size - 1}; this is another codebook")
    if len(set(item_ids)) < len(item_ids):
        raise DataError("an item is given twice; every item has one semantic ID")
    if len(seen) != len(item_ids):
        raise DataError(
            f"{len(item_ids)} items, but {len(seen)} of seen_in_training; give one for each"
        )
    if len(np.unique(codes, axis=0)) < len(codes):
        raise DataError("two items share a semantic ID; give each its own")


class Served:
    """A base and the newest table it is served with."""

    def __init__(self, base: ServedBase, table_file: Path | None, device: torch.device | str):
        """Start with the base's own table, or with the file's where there is one."""
        self._base, self._file, self._device = base, table_file, device
        self._stamp: tuple[int, int, int] | None = None
        self._current = Catalogue.build(base, base.table, device)

    @classmethod
    def find(cls, path: str, device: torch.device | str = "cpu") -> Served | None:
        """Return what is served from a model's path; None where that is no genrec base.

        Raises:
            ArtifactError: It is one, but its table is missing or another one.
        """
        if not (Path(path) / MANIFEST).is_file():
            return None
        table_file = os.environ.get(TABLE_VARIABLE)
        return cls(ServedBase.load(Path(path)), Path(table_file) if table_file else None, device)

    def current(self) -> Catalogue:
        """Return the newest table; costs one ``stat`` unless the file was replaced."""
        if self._file is not None and (stamp := file_stamp(self._file)) != self._stamp:
            self._stamp = stamp
            if stamp is not None:
                self._read(self._file)
        return self._current

    def _read(self, path: Path) -> None:
        try:
            table = read_table(path, self._base.table)
            check_table(self._base, table)
        except (OSError, ValueError, KeyError, DataError) as error:
            # A worker that died of it would take every request with it.
            logger.error("%s is no table of this base (%s); the one before stays", path, error)
            return
        self._current = Catalogue.build(self._base, table, self._device)


@cache
def served_here() -> Served | None:
    """Return what ``GENREC_BASE`` says is served; None where it says nothing."""
    path = os.environ.get(BASE_VARIABLE)
    if not path:
        return None
    if (served := Served.find(path)) is None:
        raise ArtifactError(f"{BASE_VARIABLE}={path} is no genrec base; give the served folder")
    return served
