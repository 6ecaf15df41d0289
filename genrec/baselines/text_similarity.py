"""Recommend what reads like what the user took: item texts alone, nothing trained on events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from genrec.baselines.scoring import ScoringRanker, count_events
from genrec.data import Dataset
from genrec.errors import ConfigError
from genrec.schema import Item, Request
from genrec.semantic_ids.linear import has_vector, normalize_rows
from genrec.semantic_ids.table import SemanticIdTable


class TextSimilarityConfig(BaseModel):
    """Settings of text similarity.

    Attributes:
        decay: Weight of an event relative to the one after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    decay: float = Field(0.7, gt=0, le=1)


class TextSimilarity(ScoringRanker):
    """Cosine of an item's text vector with the decayed mean of those of the user's items.

    The score is that cosine plus 1, from 0 to 2. An item without text scores 0: it stands behind
    all others, the popular first. A user none of whose items has text gets the popular items.
    """

    name = "text-similarity"

    def __init__(
        self,
        items: Sequence[Item],
        counts: np.ndarray,
        vectors: np.ndarray,
        config: TextSimilarityConfig | None = None,
    ) -> None:
        """Take the text vectors in the catalogue's order.

        Args:
            items: The catalogue.
            counts: Train events of each item, for filling up. Shape: (items,).
            vectors: Rows of any length, zeros where there is no text. Shape: (items, D).
            config: Settings; None: the defaults.
        """
        super().__init__(items, counts)
        self._config = config or TextSimilarityConfig()
        self._vectors = normalize_rows(vectors[np.argsort(-counts, kind="stable")])
        self._has_text = has_vector(self._vectors)

    @classmethod
    def fit(
        cls,
        data: Dataset,
        table: SemanticIdTable | None = None,
        config: TextSimilarityConfig | None = None,
    ) -> Self:
        """Encode the catalogue by the text part of a table's frozen encoder.

        Raises:
            ConfigError: The table has no text encoder.
        """
        if table is None or table.encoder is None or table.encoder.text is None:
            raise ConfigError(
                "text similarity needs a semantic-ID table whose encoder reads text; build one "
                "with `genrec index`, text.weight above 0"
            )
        return cls(data.items, count_events(data), table.encoder.text.encode(data.items), config)

    @property
    def settings(self) -> dict[str, Any]:
        """Its configuration as plain JSON."""
        return self._config.model_dump(mode="json")

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        profiles = np.zeros((len(requests), self._vectors.shape[1]), dtype=np.float32)
        for profile, request in zip(profiles, requests, strict=True):
            places = self._known(event.item_id for event in request.history.events)
            ages = np.arange(len(places) - 1, -1, -1)
            profile += self._config.decay**ages @ self._vectors[places]
        profiles = normalize_rows(profiles)
        scores: np.ndarray = np.maximum(profiles @ self._vectors.T + 1, 0)
        scores[:, ~self._has_text] = 0
        scores[~has_vector(profiles)] = 0
        return scores
