"""What a prompt may choose among: candidates of several kinds of retrieval, taken in turns.

Enters: requests. Leaves: items that the request allows, distinct. Everything is fitted on the train
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
from genrec.schema import Item, Ranker, Request
from genrec.semantic_ids.behaviour import behaviour_vectors
from genrec.semantic_ids.config import BehaviourConfig
from genrec.semantic_ids.linear import has_vector, normalize_rows
from genrec.semantic_ids.table import SemanticIdTable

DECAY = 0.7
"""Weight of an event relative to the one after it."""
SOURCES = ("item-knn", "graph", "text", "popularity")


class VectorSimilarity(ScoringRanker):
    """Ranks items by the likeness of their vectors to those of the history, newer events heavier.

    An item without a vector is like none.
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
            places = self._known(event.item_id for event in request.history.events)
            for age, place in enumerate(reversed(places)):
                row += DECAY**age * self._vectors[place]
        scores = normalize_rows(profiles) @ self._vectors.T
        scores[:, ~has_vector(self._vectors)] = 0
        return np.maximum(scores, 0).astype(np.float64)


class Retriever:
    """Finds candidates for requests."""

    def __init__(
        self, data: Dataset, table: SemanticIdTable, sources: Sequence[str] = SOURCES
    ) -> None:
        """Fit every source.

        Args:
            data: Prepared data; only its train split is read.
            table: Its encoder says how alike texts are.
            sources: Of ``SOURCES``, in the order of their turns.

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
        """What the counts were made of; see ``genrec.evaluate.provenance``."""
        return dict(self._popularity.provenance)

    def add_items(self, items: Sequence[Item]) -> None:
        """Let new items be found: by their text, and last of all by popularity."""
        self._items += items
        self._counts = np.concatenate([self._counts, np.zeros(len(items), self._counts.dtype)])
        self._fit_to_catalogue()

    def find(self, requests: Sequence[Request], count: int) -> list[list[str]]:
        """Return up to ``count`` candidates of each request, one of each source in turn."""
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
        """Return items to stand after some others: what retrieval gives next, then the popular."""
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
        if "text" in self._names:
            encoder = self._table.encoder.text if self._table.encoder is not None else None
            vectors = np.zeros((len(self._items), 1), dtype=np.float32)
            if encoder is not None:
                vectors = encoder.encode(self._items)
            self._fitted["text"] = VectorSimilarity("text", self._items, self._counts, vectors)
