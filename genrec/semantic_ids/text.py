"""Items to text vectors without a download: TF-IDF and truncated SVD.

Enters: items. Leaves: one vector an item, zero where it has no known word. The encoder is fitted
once and then frozen, so that an item added later lands where it would have landed.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from genrec.schema import Item
from genrec.semantic_ids.config import TextConfig
from genrec.semantic_ids.linear import normalize_rows, truncated_svd

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Scripts written without spaces give one word a character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")
_MAX_PHRASE_WORDS = 6


def words(text: str | None) -> list[str]:
    """Return the lower-cased words of a text, in order."""
    return _WORD.findall(text.lower()) if text else []


def terms(item: Item, max_words: int) -> Iterator[str]:
    """Yield what an item is described by: words, pairs of title words, and whole phrases.

    A brand, a category or a short line of the other text also counts as one phrase, marked by
    its field, since "nail polish" says more than "nail" and "polish".
    """
    title = words(item.title)
    yield from title
    yield from (f"{first} {second}" for first, second in zip(title, title[1:], strict=False))
    for field, phrase in [("brand", item.brand), *(("category", c) for c in item.categories)]:
        phrase_words = words(phrase)
        yield from phrase_words
        if phrase_words:
            yield f"{field}:{' '.join(phrase_words)}"
    yield from words(item.description)[:max_words]
    yield from words(item.text)[:max_words]
    for line in (item.text or "").splitlines():
        line_words = words(line)
        if 1 < len(line_words) <= _MAX_PHRASE_WORDS:
            yield f"line:{' '.join(line_words)}"


@dataclass(frozen=True)
class TfidfEncoder:
    """A frozen map from items to vectors.

    Attributes:
        vocabulary: Terms, sorted.
        idf: Weight of each term. Shape: (V,), float32.
        components: Directions of the truncated SVD. Shape: (V, D), float32.
        max_words: See ``TextConfig``.
    """

    vocabulary: list[str]
    idf: np.ndarray
    components: np.ndarray
    max_words: int

    @classmethod
    def fit(cls, items: Sequence[Item], config: TextConfig, seed: int) -> TfidfEncoder:
        """Learn the vocabulary and the directions from a catalogue.

        A catalogue without text gives an encoder of width 0.
        """
        counts, vocabulary = _count_and_learn(items, config)
        document_counts = np.bincount(counts.indices, minlength=len(vocabulary))
        idf = (np.log((1 + len(items)) / (1 + document_counts)) + 1).astype(np.float32)
        weighted = _weigh(counts, idf)
        _, _, directions = truncated_svd(weighted, config.dims, seed)
        return cls(vocabulary, idf, directions.T.astype(np.float32), config.max_words)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {term: position for position, term in enumerate(self.vocabulary)}

    def encode(self, items: Sequence[Item]) -> np.ndarray:
        """Return unit vectors, or zeros for an item without a known term. Shape: (N, D)."""
        index = self._index
        rows = (
            [index[term] for term in terms(item, self.max_words) if term in index] for item in items
        )
        counts = _sparse_counts(rows, len(items), len(index))
        return normalize_rows(_weigh(counts, self.idf) @ self.components)


def _count_and_learn(items: Sequence[Item], config: TextConfig) -> tuple[csr_array, list[str]]:
    """Return term counts (N, V) and the vocabulary: frequent enough terms, sorted."""
    index: dict[str, int] = {}
    rows = (
        [index.setdefault(t, len(index)) for t in terms(item, config.max_words)] for item in items
    )
    counts = _sparse_counts(rows, len(items), None)
    document_counts = np.bincount(counts.indices, minlength=len(index))
    frequent = [
        (-int(document_counts[position]), term)
        for term, position in index.items()
        if document_counts[position] >= config.min_items
    ]
    frequent.sort()
    vocabulary = sorted(term for _, term in frequent[: config.max_terms])
    kept = [index[term] for term in vocabulary]
    return counts[:, kept].tocsr(), vocabulary


def _sparse_counts(rows: Iterable[list[int]], num_rows: int, num_columns: int | None) -> csr_array:
    """Count term positions row by row; the width is found out when not given."""
    from scipy.sparse import csr_array

    columns, values, starts = array("i"), array("f"), array("q", [0])
    for row in rows:
        counted = Counter(row)
        columns.extend(counted.keys())
        values.extend(counted.values())
        starts.append(len(columns))
    if num_columns is None:
        num_columns = max(columns, default=-1) + 1
    return csr_array(
        (
            np.frombuffer(values, dtype=np.float32) if values else np.empty(0, np.float32),
            np.frombuffer(columns, dtype=np.int32) if columns else np.empty(0, np.int32),
            np.frombuffer(starts, dtype=np.int64),
        ),
        shape=(num_rows, num_columns),
    )


def _weigh(counts: csr_array, idf: np.ndarray) -> csr_array:
    """Return unit rows of (1 + log count) x idf."""
    weighted = counts.copy()
    weighted.data = (1 + np.log(counts.data)) * idf[counts.indices]
    norms = np.sqrt(weighted.multiply(weighted).sum(axis=1))
    lengths = np.diff(weighted.indptr)
    weighted.data /= np.repeat(norms, lengths)
    return weighted
