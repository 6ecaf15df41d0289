"""The words that set an interest apart from the others, from the titles and reviews of its items.

Source: class TF-IDF as in BERTopic, arXiv 2203.05794, section 3.3. Differs: a word counts once a
text, so that one long review does not speak for an interest; finer interests are weighed against
their like, not against the coarse ones they lie in.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from genrec.display import ShortRepr
from genrec.graph.words.corpus import Text, review_texts, title_texts
from genrec.graph.words.tokens import tokenize
from genrec.schema import History, Item, SemanticId
from genrec.semantic_ids.class_tfidf import class_tfidf
from genrec.semantic_ids.table import NamedCodes

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MIN_TEXTS = 2


@dataclass(frozen=True, repr=False)
class Keywords(ShortRepr):
    """Words of interests with their weights.

    Attributes:
        prefixes: The interests that have any text; a row each.
        words: A column each.
        weights: Class TF-IDF. Shape: (number of prefixes, number of words).
        item_ids: Items that have any text.
        item_texts: How many titles and reviews of an item hold a word.
            Shape: (number of item_ids, number of words).
    """

    prefixes: list[SemanticId]
    words: list[str]
    weights: csr_array
    item_ids: list[str] = field(repr=False)
    item_texts: csr_array = field(repr=False)

    @classmethod
    def none(cls) -> Keywords:
        """Return the keywords of nothing."""
        from scipy.sparse import csr_array

        return cls([], [], csr_array((0, 0)), [], csr_array((0, 0)))

    @cached_property
    def _rows(self) -> dict[SemanticId, int]:
        return {prefix: row for row, prefix in enumerate(self.prefixes)}

    def of(self, prefix: SemanticId, k: int = 10) -> list[tuple[str, float]]:
        """Return an interest's words with their weights, best first; empty where it has none."""
        row = self._rows.get(tuple(prefix))
        if row is None:
            return []
        start, end = self.weights.indptr[row : row + 2]
        found = zip(self.weights.indices[start:end], self.weights.data[start:end], strict=True)
        named = [(self.words[column], float(weight)) for column, weight in found]
        return sorted(named, key=lambda one: (-one[1], one[0]))[:k]


def find_keywords(
    items: Sequence[Item],
    histories: Iterable[History],
    table: NamedCodes,
    depths: Sequence[int] = (1, 2),
    min_texts: int = MIN_TEXTS,
) -> Keywords:
    """Weigh the words of every interest.

    Args:
        items: The catalogue; items the table does not know are passed over.
        histories: Whose reviews count; training events, where what follows is evaluated.
        table: Semantic IDs.
        depths: Lengths of the prefixes that are interests.
        min_texts: Words of fewer titles and reviews are passed over.

    Returns:
        Keywords; without any text there are none.
    """
    from scipy.sparse import csr_array, vstack

    item_ids, counts, vocabulary = _count(
        itertools.chain(title_texts(items), review_texts(histories)), table
    )
    kept = np.flatnonzero(counts.sum(axis=0) >= min_texts)
    counts, words = counts[:, kept].tocsr(), [vocabulary[column] for column in kept]
    codes = [table.codes_of(item_id) for item_id in item_ids]
    prefixes: list[SemanticId] = []
    weights = [csr_array((0, len(words)))]
    for depth in depths:
        place_of = {prefix: n for n, prefix in enumerate(sorted({c[:depth] for c in codes}))}
        rows = np.array([place_of[c[:depth]] for c in codes], dtype=np.int64)
        groups = csr_array(
            (np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(len(place_of), len(rows))
        )
        prefixes.extend(place_of)
        weights.append(class_tfidf((groups @ counts).tocsr()))
    return Keywords(prefixes, words, vstack(weights).tocsr(), item_ids, counts)


def _count(texts: Iterable[Text], table: NamedCodes) -> tuple[list[str], csr_array, list[str]]:
    """Return items, in how many of each one's texts each word stands, and the words, sorted."""
    from scipy.sparse import csr_array

    index: dict[str, int] = {}
    item_index: dict[str, int] = {}
    rows, columns = array("i"), array("i")
    for text in texts:
        if table.knows(text.item_id):
            row = item_index.setdefault(text.item_id, len(item_index))
            found = sorted(set(tokenize(text.words)))
            columns.extend(index.setdefault(word, len(index)) for word in found)
            rows.extend([row] * len(found))
    words = sorted(index)
    counts = csr_array(
        (np.ones(len(rows)), (np.array(rows, np.int64), np.array(columns, np.int64))),
        shape=(len(item_index), len(index)),
    )
    order = np.array([index[word] for word in words], dtype=np.int64)
    return list(item_index), counts[:, order].tocsr(), words
