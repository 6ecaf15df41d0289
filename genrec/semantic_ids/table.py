"""The semantic-ID table: which item has which codes, and what the codes are called.

An artifact of kind "index". Its content hash covers the item IDs and their codes; every later
stage records it and refuses another table. Imports without torch and without scikit-learn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from genrec.artifacts import hash_files, read_manifest, write_aside, write_manifest
from genrec.display import ShortRepr
from genrec.errors import ArtifactError, DataError, TooFewItems
from genrec.schema import Request, SemanticId
from genrec.semantic_ids.row_set import RowSet
from genrec.semantic_ids.vectors import ItemEncoder

KIND = "index"
ITEM_IDS_FILE = "item_ids.json"
CODES_FILE = "codes.safetensors"
CODEBOOK_FILE = "codebook.safetensors"
NAMES_FILE = "names.json"
REVIEW_WORDS_FILE = "review_words.json"
VECTORS_FILE = "vectors.npy"
CONTENT_FILES = [ITEM_IDS_FILE, CODES_FILE]


class NamedCodes(Protocol):
    """Semantic IDs with names: a table, or a recommender that holds one."""

    def knows(self, item_id: str) -> bool:
        """Tell whether an item has a semantic ID."""
        ...

    def codes_of(self, item_id: str) -> SemanticId:
        """Return the semantic ID of an item."""
        ...

    def name_of(self, prefix: SemanticId) -> str:
        """Return words for a prefix: its own, else those of the longest named part of it."""
        ...


FEW, LATE_SHARE = 5, 0.05
"""Most events of an item met of late, and how much of a log, its newest events, is of late."""
NEVER, OF_LATE, WELL = 0, 1, 2
"""How training met an item: never, in few events that came of late, or well; by ``judge_met``."""


@dataclass(frozen=True, eq=False, repr=False)
class SemanticIdTable(ShortRepr):
    """Semantic IDs of a catalogue; no two items share one.

    Attributes:
        item_ids: External IDs.
        codes: Row n belongs to ``item_ids[n]``. Shape: (N, L), int32.
        codebook_size: K, codes of a level.
        centroids: Of each code, in the items' vector space. Shape: (L, K, D), float32.
        names: Words for prefixes of one and of two codes.
        encoder: Turns new items into vectors; None for a table made by hand.
        met: How training met each item, so that a model can know it (``NEVER``, ``OF_LATE``,
            ``WELL``); None: all of them well. Shape: (N,), uint8.
        text_vectors: Of the items' texts, unit rows, zeros where an item has none; None where
            texts are left out. Shape: (N, D), float32.
        review_words: By how many items' training reviews words are used.
    """

    item_ids: list[str]
    codes: np.ndarray
    codebook_size: int
    centroids: np.ndarray
    names: dict[SemanticId, str]
    encoder: ItemEncoder | None = field(default=None, repr=False)
    met: np.ndarray | None = field(default=None, repr=False)
    text_vectors: np.ndarray | None = field(default=None, repr=False)
    review_words: Mapping[str, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def seen_in_training(self) -> np.ndarray:
        """Whether training events hold each item. Shape: (N,), bool."""
        seen: np.ndarray = self.how_met != NEVER
        return seen

    @property
    def how_met(self) -> np.ndarray:
        """``met``, written out where all were met well. Shape: (N,), uint8."""
        return np.full(len(self), WELL, dtype=np.uint8) if self.met is None else self.met

    @cached_property
    def num_levels(self) -> int:
        """L, codes of an ID."""
        return int(self.codes.shape[1])

    @cached_property
    def _index(self) -> dict[str, int]:
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def _by_codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Each semantic ID as one number, ascending, and its row. Shapes: (N,), int64.

        A dictionary of tuples would take 250 bytes an item in place of 16.
        """
        numbers = self._number(self.codes)
        rows = np.argsort(numbers)
        return numbers[rows], rows

    def _number(self, codes: np.ndarray) -> np.ndarray:
        """Read codes as the digits of one number. Shape: (..., L) to (...), int64."""
        return codes @ self.codebook_size ** np.arange(self.num_levels)[::-1]

    def knows(self, item_id: str) -> bool:
        """Tell whether an item has a semantic ID."""
        return item_id in self._index

    def index_of(self, item_id: str) -> int:
        """Return the row of an item.

        Raises:
            DataError: The item is not in the table.
        """
        try:
            return self._index[item_id]
        except KeyError:
            raise DataError(
                f"item '{item_id}' is not in the table of {len(self)} items; check the ID "
                "(IDs are text and case-sensitive), or add the item to the table first"
            ) from None

    def rows_of(self, item_ids: Iterable[str]) -> list[int]:
        """Return the rows of the items that are in the table."""
        index = self._index
        return [index[item_id] for item_id in item_ids if item_id in index]

    def candidate_rows(self, candidates: Set[str]) -> np.ndarray:
        """Return the rows of a request's candidates, those that are in the table. Shape: (C,)."""
        if isinstance(candidates, RowSet) and candidates.table is self:
            return candidates.rows
        return np.array(self.rows_of(candidates), dtype=np.int64)

    def check_enough(self, request: Request, k: int) -> None:
        """Check that a request's filters leave ``k`` items.

        Raises:
            TooFewItems: They leave fewer.
        """
        left = self.num_left(request)
        if left < k:
            candidates = request.candidates
            hint = candidates.hint() if isinstance(candidates, RowSet) and candidates.hint else ""
            raise TooFewItems(
                f"asked for {k} items, but the filters leave {left} of {len(self)}"
                f"{hint and f' ({hint})'}; ask for fewer or filter less"
            )

    def num_left(self, request: Request) -> int:
        """Return how many items a request's filters leave."""
        forbidden = self.rows_of(request.forbidden)
        if request.candidates is None:
            return len(self) - len(forbidden)
        candidates = self.candidate_rows(request.candidates)
        return len(candidates) - int(np.isin(forbidden, candidates).sum())

    def codes_of(self, item_id: str) -> SemanticId:
        """Return the semantic ID of an item.

        Raises:
            DataError: The item is not in the table.
        """
        return tuple(self.codes[self.index_of(item_id)].tolist())

    def first_codes(self, item_ids: Iterable[str]) -> np.ndarray:
        """Return the coarse code of each item. Shape: (number of items,), int64.

        Raises:
            DataError: An item is not in the table.
        """
        rows = np.array([self.index_of(item_id) for item_id in item_ids], dtype=np.int64)
        result: np.ndarray = self.codes[rows, 0].astype(np.int64)
        return result

    def item_at(self, codes: SemanticId) -> str | None:
        """Return the item that has a semantic ID, None where no item has it."""
        digits = np.array(codes, dtype=np.int64)
        inside = (digits >= 0) & (digits < self.codebook_size)
        if digits.shape != (self.num_levels,) or not inside.all():
            return None
        numbers, rows = self._by_codes
        wanted = self._number(digits)
        place = int(np.searchsorted(numbers, wanted))
        is_known = place < len(numbers) and numbers[place] == wanted
        return self.item_ids[rows[place]] if is_known else None

    def name_of(self, prefix: SemanticId) -> str:
        """Return words for a prefix: its own, else those of the longest named part of it."""
        prefix = tuple(prefix)
        for length in range(len(prefix), 0, -1):
            if name := self.names.get(prefix[:length]):
                return name
        return "group " + ".".join(map(str, prefix))

    def write_files(self, directory: Path) -> None:
        """Write the table's files, all but the manifest, into a directory."""
        item_ids = json.dumps(self.item_ids, ensure_ascii=False)
        (directory / ITEM_IDS_FILE).write_text(item_ids + "\n", encoding="utf-8")
        codes = np.ascontiguousarray(self.codes, dtype=np.int32)
        save_file({"codes": codes}, directory / CODES_FILE)
        codebook = {"centroids": np.ascontiguousarray(self.centroids, dtype=np.float32)}
        if self.met is not None:
            codebook["met"] = np.ascontiguousarray(self.met)
        if self.text_vectors is not None:
            codebook["text_vectors"] = np.ascontiguousarray(self.text_vectors)
        save_file(codebook, directory / CODEBOOK_FILE)
        named = {".".join(map(str, prefix)): name for prefix, name in self.names.items()}
        names = json.dumps(named, ensure_ascii=False, indent=0)
        (directory / NAMES_FILE).write_text(names + "\n", encoding="utf-8")
        if self.review_words:
            said = json.dumps(self.review_words, ensure_ascii=False, indent=0)
            (directory / REVIEW_WORDS_FILE).write_text(said + "\n", encoding="utf-8")
        if self.encoder is not None:
            self.encoder.save(directory)

    def save(
        self,
        path: Path,
        config: Mapping[str, Any] | None = None,
        parents: Mapping[str, Path] | None = None,
    ) -> None:
        """Write the table as an artifact.

        Args:
            path: Folder to make; an artifact there is replaced.
            config: Settings that made it.
            parents: Artifacts it was built on, by kind. For a table that ``extend`` made, the
                "index" it grew from belongs here.
        """
        with write_aside(Path(path)) as directory:
            self.write_files(directory)
            write_manifest(directory, Path(path), KIND, config or {}, CONTENT_FILES, parents)

    @classmethod
    def load(cls, path: Path | str) -> SemanticIdTable:
        """Read a table.

        Raises:
            ArtifactError: Nothing there, damaged, or not a table.
        """
        path = Path(path)
        manifest = read_manifest(path, KIND)
        try:
            if hash_files([path / name for name in CONTENT_FILES]) != manifest.content_hash:
                raise ValueError("the codes are not those of its manifest")
            table = cls._read_files(path)
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError,
        ) as error:  # fmt: skip
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
            raise ArtifactError(f"{path} is damaged ({reason}); run `genrec index` again") from None
        return table

    @classmethod
    def _read_files(cls, path: Path) -> SemanticIdTable:
        item_ids = json.loads((path / ITEM_IDS_FILE).read_text(encoding="utf-8"))
        codes = load_file(path / CODES_FILE)["codes"]
        codebook = load_file(path / CODEBOOK_FILE)
        centroids = codebook["centroids"]
        named = json.loads((path / NAMES_FILE).read_text(encoding="utf-8"))
        said = path / REVIEW_WORDS_FILE
        if codes.ndim != 2 or centroids.ndim != 3:
            raise ValueError(f"codes of shape {codes.shape}, centroids of {centroids.shape}")
        if len(codes) != len(item_ids) or codes.shape[1] != len(centroids):
            raise ValueError(
                f"{len(item_ids)} items, codes of shape {codes.shape}, {len(centroids)} levels"
            )
        met = codebook.get("met")
        if (seen := codebook.get("seen_in_training")) is not None:  # of an earlier version
            met = met_if_seen(seen)
        return cls(
            item_ids=item_ids,
            codes=codes,
            codebook_size=centroids.shape[1],
            centroids=centroids,
            names={tuple(map(int, key.split("."))): name for key, name in named.items()},
            encoder=ItemEncoder.load(path) if ItemEncoder.is_saved(path) else None,
            met=met,
            text_vectors=codebook.get("text_vectors"),
            review_words=json.loads(said.read_text(encoding="utf-8")) if said.exists() else {},
        )


def judge_met(items: np.ndarray, times: np.ndarray, num_items: int) -> np.ndarray:
    """Return how training met each item, by its events.

    An item that came of late has had no time to be taken, so few events say nothing against it; one
    that came long ago is taken seldom (docs/lab-notes.md, "Items met of late").

    Args:
        items: Place in the catalogue of each event's item. Shape: (E,).
        times: Of each event, seconds. Shape: (E,).
        num_items: N.

    Returns:
        ``NEVER``, ``OF_LATE`` or ``WELL``. Shape: (N,), uint8.

    Examples:
        >>> items = np.array([0] * 18 + [1, 2])
        >>> judge_met(items, np.array([*range(18), 0, 19]), 4).tolist()
        [2, 2, 1, 0]
    """
    events = np.bincount(items, minlength=num_items)
    met = np.where(events, WELL, NEVER).astype(np.uint8)
    if len(times):
        first = np.full(num_items, np.iinfo(np.int64).max)
        np.minimum.at(first, items, times)
        came_late = first > np.quantile(times, 1 - LATE_SHARE)
        met[(events > 0) & (events <= FEW) & came_late] = OF_LATE
    return met


def met_if_seen(seen: np.ndarray) -> np.ndarray:
    """Return how training met items of which it is known only whether. Shape of both: (N,)."""
    return np.where(seen, WELL, NEVER).astype(np.uint8)


def load_vectors(path: Path | str) -> np.ndarray:
    """Return the vectors that an index was made from, read as they are used.

    Returns:
        Unit rows in the table's order; zeros for an item of which nothing is known.
        Shape: (N, D), float32.

    Raises:
        ArtifactError: The index has none, as one that ``extend`` made.
    """
    path = Path(path)
    read_manifest(path, KIND)
    try:
        result: np.ndarray = np.load(path / VECTORS_FILE, mmap_mode="r", allow_pickle=False)
        return result
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path} holds no readable {VECTORS_FILE} ({error}); run `genrec index` again"
        ) from None
