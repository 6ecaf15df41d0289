"""Which items match a wish: BM25 over the items' words.

Enters: items and a text. Leaves: the items that share words with it, and how well they match. A
wish names things, and a word that few items have says most about which one is meant; vectors of
whole texts blur that (docs/ask.md has the figures). Where the reviews of many items have a word,
few titles with it are no sign that it means these: "gift" in a shop of gift cards.

Frequencies are learned once from a catalogue and then frozen, so that an item added later matches
as it would have matched.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009;
fields weighed by repeating their words: Robertson et al., Simple BM25 Extension to Multiple
Weighted Fields, 2004.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import chain, count, islice
from typing import TYPE_CHECKING

import numpy as np

from genrec.schema import History, Item
from genrec.semantic_ids.phrases import MAX_REVIEWS
from genrec.semantic_ids.row_scores import NOTHING, RowScores
from genrec.semantic_ids.text import words

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SATURATION, LENGTH_SHARE = 1.2, 0.75
"""k1 and b of BM25, at the field's usual values; others were not better."""
TITLE_TIMES, CATEGORY_TIMES = 2, 3
MAX_ITEM_WORDS = 400
MAX_WISH_WORDS = 64
MAX_MATCHES = 1000
"""Of a wish; so that what an engine is sent of it does not grow with the catalogue."""


def item_words(item: Item) -> Iterator[str]:
    """Yield the words that an item is found by, those that say more more often."""
    yield from words(item.title) * TITLE_TIMES
    for category in item.categories:
        yield from words(category) * CATEGORY_TIMES
    yield from words(item.brand)
    yield from chain(words(item.description), words(item.text))


def count_review_words(histories: Iterable[History]) -> dict[str, int]:
    """Return how many items' reviews use each word, of words that more than one item's use."""
    used: dict[str, set[str]] = defaultdict(set)
    opinions = (event for history in histories for event in history.events if event.opinion)
    for event in islice(opinions, MAX_REVIEWS):
        used[event.item_id].update(words(event.opinion))
    counts = Counter(chain.from_iterable(used.values()))
    return {word: number for word, number in sorted(counts.items()) if number > 1}


class Matcher:
    """Finds the rows of a catalogue that match a wish."""

    def __init__(
        self, items: Sequence[Item], review_words: Mapping[str, int] | None = None
    ) -> None:
        """Learn how frequent words are, and index the items.

        Args:
            items: One's place is its row.
            review_words: See ``count_review_words``.
        """
        counts, said = [_counts(item) for item in items], review_words or {}
        found = Counter(word for row in counts for word in row)
        self._index = {word: column for column, word in enumerate(found)}
        # The catalogue may have shrunk since the reviews were read.
        uses = [min(max(own, said.get(word, 0)), len(items)) for word, own in found.items()]
        frequency = np.array(uses, dtype=np.float64)
        self._rarity = np.log1p((len(items) - frequency + 0.5) / (frequency + 0.5))
        self._mean_length = max(sum(row.total() for row in counts) / max(len(items), 1), 1.0)
        self._weights = self._weigh(counts)
        self._items = list(items)

    def covering(self, items: Sequence[Item]) -> Matcher:
        """Return a matcher of other items with the same frequencies; only what is new is read."""
        from scipy.sparse import vstack

        places = {item.item_id: row for row, item in enumerate(self._items)}
        known = [places.get(item.item_id) for item in items]
        is_new = [
            row is None or self._items[row] != item for row, item in zip(known, items, strict=True)
        ]
        added = self._weigh(_counts(item) for item, new in zip(items, is_new, strict=True) if new)
        fresh = count(len(self._items))
        order = [next(fresh) if new else row for row, new in zip(known, is_new, strict=True)]
        result = copy(self)
        result._items = list(items)
        result._weights = vstack([self._weights.T, added.T]).tocsr()[order].T.tocsr()
        return result

    def matches(self, wish: str) -> RowScores:
        """Return the best ``MAX_MATCHES`` items that share a word with a wish."""
        asked = dict.fromkeys(words(wish))
        known = (self._index.get(word) for word in islice(asked, MAX_WISH_WORDS))
        columns = [column for column in known if column is not None]
        if not columns:
            return NOTHING
        found = self._weights[columns].sum(axis=0)
        rows = np.flatnonzero(found)
        if len(rows) > MAX_MATCHES:
            best = np.argsort(-found[rows], kind="stable")[:MAX_MATCHES]
            rows = np.sort(rows[best])
        return RowScores(rows.astype(np.int64), found[rows].astype(np.float32))

    def _weigh(self, counts: Iterable[Counter[str]]) -> csr_array:
        """Return what each word is worth in each item. Shape: (V, number of items)."""
        from scipy.sparse import csr_array

        values, columns, starts = list[float](), list[int](), [0]
        for row in counts:
            norm = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * row.total() / self._mean_length)
            for word, times in row.items():
                if word in self._index:
                    column = self._index[word]
                    columns.append(column)
                    gain = times * (SATURATION + 1) / (times + norm)
                    values.append(float(self._rarity[column]) * gain)
            starts.append(len(columns))
        shape = (len(starts) - 1, len(self._index))
        return csr_array((np.array(values, np.float32), columns, starts), shape=shape).T.tocsr()


def _counts(item: Item) -> Counter[str]:
    return Counter(islice(item_words(item), MAX_ITEM_WORDS))
