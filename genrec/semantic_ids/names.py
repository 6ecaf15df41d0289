"""Groups of items to readable names: what sets a group's items apart, in one to three phrases.

Enters: codes and phrases. Leaves: a name for every first code and every pair of first codes in
use; no two names are equal.

Source: class TF-IDF as in BERTopic, arXiv 2203.05794, section 3.3. Differs: a phrase counts once
an item, and is weighed by its share of the group times the logarithm of how much larger that share
is than elsewhere, so that a name both covers the group and tells it apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genrec.schema import Item, SemanticId
from genrec.semantic_ids.class_tfidf import contrast
from genrec.semantic_ids.phrases import PhraseTable, short_title
from genrec.semantic_ids.text import words

SEPARATOR = " · "
MIN_NAMED_ITEMS = 3
"""Pairs of codes with fewer items are named after their first code."""

# Fine and coarse category, brand, pair of title words, title word, decade, review word: fragments
# of titles make good details and poor heads.
_HEAD_WEIGHTS = np.array([2.0, 1.3, 1.2, 0.5, 0.4, 0.4, 0.2])
_DETAIL_WEIGHTS = np.array([1.5, 1.0, 1.2, 1.2, 0.8, 0.5, 0.3])
_MIN_SHARE = 0.2
_MIN_LIFT = 1.2
_MAX_SHARE_EVERYWHERE = 0.5
_PRIOR_ITEMS = 1.0
_MAX_CANDIDATES = 40
_MAX_TITLES = 5
_MAX_ROWS_COMPARED = 2_000


@dataclass(frozen=True)
class _Group:
    """Items of one prefix with the words that could name them, best first.

    Attributes:
        prefix: Codes.
        head: What the items are; None where no phrase tells.
        details: What sets them apart from others that are so too.
        titles: Of the most popular of them.
    """

    prefix: SemanticId
    head: str | None
    details: list[str]
    titles: list[str]


class Namer:
    """Finds names for the prefixes of one table; remembers them, so that none is given twice."""

    def __init__(self, items: Sequence[Item], phrases: PhraseTable, popularity: np.ndarray):
        """Prepare naming.

        Args:
            items: The catalogue.
            phrases: Of its items.
            popularity: Training events of each item. Shape: (N,).
        """
        self._items = items
        self._phrases = phrases
        self._by_phrase = phrases.matrix.tocsc()
        self._popularity = popularity
        num_with = np.bincount(phrases.matrix.indices, minlength=len(phrases.phrases))
        self._everywhere = num_with / (len(items) + _PRIOR_ITEMS)
        self._taken: set[str] = set()

    def name_all(self, codes: np.ndarray) -> dict[SemanticId, str]:
        """Return names for all first codes and all pairs of first codes. Shape: (N, L)."""
        names: dict[SemanticId, str] = {}
        firsts = _groups(codes[:, :1])
        # The largest of several groups of one kind may have the plain name of the kind.
        for prefix, rows in sorted(firsts.items(), key=lambda group: -len(group[1])):
            names[prefix] = self._take(self._group(prefix, rows, self._everywhere, None))
        shares_of = {prefix: self._shares(rows) for prefix, rows in firsts.items()}
        for prefix, rows in _groups(codes[:, :2]).items():
            parent: str | None = names[prefix[:1]]
            if parent == _nameless(prefix[:1]):
                parent = None
            inherited = parent if len(rows) < MIN_NAMED_ITEMS else None
            group = self._group(prefix, rows, shares_of[prefix[:1]], inherited)
            names[prefix] = self._take(group, parent)
        return names

    def _shares(self, rows: np.ndarray) -> np.ndarray:
        """Return the share of items that have each phrase, drawn toward none. Shape: (T,).

        Of many rows some, evenly spread, are enough.
        """
        rows = rows[:: -(-len(rows) // _MAX_ROWS_COMPARED)] if len(rows) else rows
        result: np.ndarray = self._phrases.matrix[rows].sum(axis=0) / (len(rows) + _PRIOR_ITEMS)
        return result

    def _group(
        self, prefix: SemanticId, rows: np.ndarray, outer: np.ndarray, inherited: str | None
    ) -> _Group:
        """Weigh a group's phrases.

        Args:
            prefix: Codes of the group.
            rows: Its items.
            outer: Shares of the phrases in what surrounds the group. Shape: (T,).
            inherited: Head to use; None: find one.
        """
        rows = rows[np.argsort(-self._popularity[rows], kind="stable")]
        columns, counts = np.unique(self._phrases.matrix[rows].indices, return_counts=True)
        shares = counts / (len(rows) + _PRIOR_ITEMS)
        head = inherited
        if head is None:
            best = self._best(columns, shares, self._everywhere, _HEAD_WEIGHTS)
            if len(best):
                head = self._phrases.phrases[best[0]]
                # What goes without saying once the head is said is no detail.
                with_head = self._rows_with(best[0])
                outer = np.maximum(outer, self._shares(with_head))
                rows = rows[np.isin(rows, with_head)]
        best = self._best(columns, shares, outer, _DETAIL_WEIGHTS)
        details = [self._phrases.phrases[column] for column in best]
        titles = [short_title(self._items[row]) for row in rows[:_MAX_TITLES]]
        # A whole title reads better than the start of a long one.
        titles.sort(key=lambda title: not title[1])
        return _Group(prefix, head, details, [title for title, _ in titles if title])

    def _rows_with(self, column: int) -> np.ndarray:
        """Return the items that have a phrase."""
        start, end = self._by_phrase.indptr[column : column + 2]
        result: np.ndarray = self._by_phrase.indices[start:end]
        return result

    def _best(
        self, columns: np.ndarray, shares: np.ndarray, outer: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """Return the phrases that cover a group and set it apart, best first.

        Args:
            columns: Phrases of the group. Shape: (n,).
            shares: Their shares of it. Shape: (n,).
            outer: Shares of all phrases in what it is set apart from. Shape: (T,).
            weights: Of the fields.
        """
        phrases, fields = self._phrases.phrases, self._phrases.fields
        lift = shares / np.maximum(outer, self._everywhere)[columns]
        scores = weights[fields[columns]] * contrast(shares, lift)
        common = self._everywhere[columns] > _MAX_SHARE_EVERYWHERE
        good = np.flatnonzero((shares >= _MIN_SHARE) & (lift >= _MIN_LIFT) & ~common)
        order = sorted(good, key=lambda n: (-scores[n], phrases[columns[n]]))
        return columns[order[:_MAX_CANDIDATES]]

    def _take(self, group: _Group, parent_name: str | None = None) -> str:
        """Return the first proposal not given yet; the last one is unique."""
        name = next(name for name in _proposals(group, parent_name) if name not in self._taken)
        self._taken.add(name)
        return name


def _proposals(group: _Group, parent_name: str | None) -> Iterator[str]:
    """Yield names for a group, best first."""
    head = group.head or parent_name
    if head is not None:
        details = [detail for detail in group.details if not _overlap(head, detail)]
        titles = [title for whole in group.titles if (title := _without(head, whole))]
        yield SEPARATOR.join([head, *details[:1]])
        for first in details[:3]:
            for second in [*details, *titles]:
                if not _overlap(first, second):
                    yield SEPARATOR.join([head, first, second])
        yield from (head + SEPARATOR + extra for extra in [*details, *titles])
        yield head + SEPARATOR + ".".join(map(str, group.prefix))
    else:
        yield from group.titles
    yield _nameless(group.prefix)


def _nameless(prefix: SemanticId) -> str:
    return "group " + ".".join(map(str, prefix))


def _groups(prefixes: np.ndarray) -> dict[SemanticId, np.ndarray]:
    """Return the rows of each prefix, in the order of the prefixes."""
    order = np.lexsort(prefixes.T[::-1])
    ordered = prefixes[order]
    changed = np.any(ordered[1:] != ordered[:-1], axis=1)
    parts = np.split(order, np.flatnonzero(changed) + 1)
    return {tuple(map(int, prefixes[rows[0]])): rows for rows in parts}


def _stems(phrase: str) -> set[str]:
    return {word.removesuffix("s") for word in words(phrase)}


def _overlap(first: str, second: str) -> bool:
    return bool(_stems(first) & _stems(second))


def _without(head: str, title: str) -> str:
    """Return a title less the words that the head already says."""
    return " ".join(word for word in title.split() if not _overlap(head, word)).strip(" &+-")
