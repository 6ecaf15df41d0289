"""The candidates of a prompt, from several kinds of retrieval in turn.

Enters: requests. Leaves: distinct items that the request allows. Everything is fitted on the train
split alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from genrec.baselines.item_knn import ItemKNN
from genrec.baselines.popularity import Popularity
from genrec.baselines.scoring import ScoringRanker, count_events
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.schema import Item, Ranker, Recommendation, Request
from genrec.semantic_ids.behaviour import behaviour_vectors
from genrec.semantic_ids.config import BehaviourConfig
from genrec.semantic_ids.linear import has_vector, normalize_rows
from genrec.semantic_ids.matching import Matcher
from genrec.semantic_ids.row_scores import NOTHING
from genrec.semantic_ids.table import SemanticIdTable

DECAY = 0.7
"""Weight of an event relative to the one after it."""
ABOUT_SHARE = 0.5
"""Weight of what users say of themselves, beside a wish that they have right now."""
SOURCES = ("words", "item-knn", "graph", "text", "popularity")


class VectorSimilarity(ScoringRanker):
    """Ranks items by vector similarity to the history, in which newer events weigh more.

    An item without a vector has similarity 0 to all.
    """

    def __init__(
        self, name: str, items: Sequence[Item], counts: np.ndarray, vectors: np.ndarray
    ) -> None:
        """Take unit vectors in the catalogue's order, zeros where unknown. Shape: (N, D)."""
        super().__init__(items, counts)
        self.name = name
        self._vectors = vectors[np.argsort(-counts, kind="stable")]

    @classmethod
    def fit(cls, data: Dataset) -> VectorSimilarity:
        """Learn the interest graph's vectors from the train split."""
        vectors = behaviour_vectors(data.interactions("train"), BehaviourConfig(), seed=0)
        return cls("graph", data.items, count_events(data), vectors)

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        profiles = np.zeros((len(requests), self._vectors.shape[1]), dtype=np.float32)
        for row, request in zip(profiles, requests, strict=True):
            indices = self._known(event.item_id for event in request.history.events)
            for age, index in enumerate(reversed(indices)):
                row += DECAY**age * self._vectors[index]
        scores = normalize_rows(profiles) @ self._vectors.T
        scores[:, ~has_vector(self._vectors)] = 0
        result: np.ndarray = np.maximum(scores, 0).astype(np.float64)
        return result


class WordSimilarity(ScoringRanker):
    """Ranks the items that share words with a wish, or with what its user says of themselves."""

    name = "words"

    def __init__(self, items: Sequence[Item], counts: np.ndarray) -> None:
        """Read the items' words."""
        super().__init__(items, counts)
        self._matcher = Matcher(self._items)

    @classmethod
    def fit(cls, data: Dataset) -> WordSimilarity:
        """Take the catalogue; nothing is learned from events but which items are popular."""
        return cls(data.items, count_events(data))

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """See ``schema.Ranker``; nobody who says nothing gets an item."""
        answers = super().rank_many(requests, k)
        return [[found for found in answer if found.score > 0] for answer in answers]

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        scores = np.zeros((len(requests), len(self._items)))
        for row, request in zip(scores, requests, strict=True):
            wish, about = request.wish, request.history.about
            found = NOTHING if wish is None else self._matcher.matches(wish)
            if about is not None:
                found = found.plus(self._matcher.matches(about), ABOUT_SHARE)
            row[found.rows] = found.scores
        return scores


class Retriever:
    """Finds candidates for requests."""

    def __init__(
        self, data: Dataset, table: SemanticIdTable, sources: Sequence[str] = SOURCES
    ) -> None:
        """Fit every source.

        Args:
            data: Prepared data; only its train split is read.
            table: Its encoder supplies the text vectors.
            sources: From ``SOURCES``; they take turns in this order.

        Raises:
            ConfigError: An unknown source, or none.
        """
        unknown = set(sources) - set(SOURCES)
        if unknown or not sources:
            raise ConfigError(
                f"no candidate source {', '.join(sorted(unknown)) or 'given'}; choose of "
                f"{', '.join(SOURCES)}"
            )
        self._names = list(sources)
        self._table = table
        self._items = list(data.items)
        self._counts = count_events(data)
        self._fitted: dict[str, Ranker] = {}
        if "item-knn" in sources:
            self._fitted["item-knn"] = ItemKNN.fit(data)
        if "graph" in sources:
            self._fitted["graph"] = VectorSimilarity.fit(data)
        self._fit_to_catalogue()

    @property
    def provenance(self) -> dict[str, object]:
        """The data behind the counts; see ``genrec.evaluate.provenance``."""
        return dict(self._popularity.provenance)

    def add_items(self, items: Sequence[Item]) -> None:
        """Make new items retrievable: by their text, and after all others by popularity."""
        self._items += items
        self._counts = np.concatenate([self._counts, np.zeros(len(items), self._counts.dtype)])
        self._fit_to_catalogue()

    def rewrite_items(self, items: Sequence[Item]) -> None:
        """Find items by other words from now on."""
        written = {item.item_id: item for item in items}
        self._items = [written.get(item.item_id, item) for item in self._items]
        self._fit_to_catalogue()

    def find(self, requests: Sequence[Request], count: int) -> list[list[str]]:
        """Return up to ``count`` candidates for each request, one from each source in turn."""
        if not requests:
            return []
        lists = [
            [[found.item_id for found in answer] for answer in source.rank_many(requests, count)]
            for source in (self._fitted[name] for name in self._names)
        ]
        merged = []
        for answers in zip(*lists, strict=True):
            turns = (item_id for turn in zip_longest(*answers) for item_id in turn if item_id)
            merged.append(list(dict.fromkeys(turns))[:count])
        return merged

    def fill(self, request: Request, first: Sequence[str], count: int) -> list[str]:
        """Return items to append to ``first``: what retrieval ranks next, then popular items."""
        rest = [item for item in self.find([request], count)[0] if item not in set(first)]
        if len(first) + len(rest) < count:
            popular = self._popularity.rank_many([request], len(self._items))[0]
            known = {*first, *rest}
            rest += [found.item_id for found in popular if found.item_id not in known]
        return rest[: max(0, count - len(first))]

    def _fit_to_catalogue(self) -> None:
        self._popularity = Popularity(self._items, self._counts)
        if "popularity" in self._names:
            self._fitted["popularity"] = self._popularity
        if "words" in self._names:
            self._fitted["words"] = WordSimilarity(self._items, self._counts)
        if "text" in self._names:
            encoder = self._table.encoder.text if self._table.encoder is not None else None
            vectors = np.zeros((len(self._items), 1), dtype=np.float32)
            if encoder is not None:
                vectors = encoder.encode(self._items)
            self._fitted["text"] = VectorSimilarity("text", self._items, self._counts, vectors)
