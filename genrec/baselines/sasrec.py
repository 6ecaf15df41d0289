"""Recommend what a small causal transformer over items predicts: SASRec with sampled softmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from pydantic import Field

from genrec.baselines.scoring import ScoringRanker, count_events
from genrec.baselines.validation import sample_questions
from genrec.data import Dataset
from genrec.errors import DataError
from genrec.model.item_features import ItemFeatures, pad_histories
from genrec.model.sasrec_config import SasRecHeadConfig
from genrec.model.sasrec_head import SasRecHead
from genrec.model.sasrec_training import Recipe, fit_sasrec_head, to_questions
from genrec.schema import Item, Request


class SasRecConfig(SasRecHeadConfig):
    """The published recipe; see ``SasRecHeadConfig``.

    Attributes:
        validation_users: Sampled users of the valid split that stop the training.
    """

    dropout: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(100, ge=1)
    validation_users: int = Field(4000, ge=0)


class SasRec(ScoringRanker):
    """The SASRec head without semantic IDs: every item has a vector of its own and nothing else.

    Source: Kang and McAuley, arXiv 1808.09781; one block, width 64 and 256 sampled negatives as in
    eSASRec, arXiv 2508.06450. The score is the softmax over the catalogue.
    """

    name = "sasrec"

    def __init__(
        self,
        items: Sequence[Item],
        counts: np.ndarray,
        head: SasRecHead,
        config: SasRecConfig,
        curve: Sequence[dict[str, float]] = (),
    ) -> None:
        """Take a head trained on rows in the catalogue's order, and how that went."""
        super().__init__(items, counts)
        self._head, self._config, self.curve = head, config, tuple(curve)
        selected = {"selection": {"upto": "valid"}} if config.validation_users else {}
        self.provenance = {**self.provenance, "behaviour": {"upto": "train"}, **selected}
        order = torch.as_tensor(np.argsort(-counts, kind="stable"))
        self._device = head.item_embedding.weight.device
        self._features = ItemFeatures.plain(len(items))[order].to(self._device)
        with torch.inference_mode():
            self._vectors = head.vectors(self._features)

    @classmethod
    def fit(
        cls,
        data: Dataset,
        seed: int = 0,
        device: str = "cpu",
        config: SasRecConfig | None = None,
    ) -> Self:
        """Train on the train split; the best look at the valid split is kept.

        Args:
            data: Prepared data.
            seed: Of weights, order, dropout, negatives and the users asked in validation.
            device: Where to train and to answer.
            config: Settings; None: the defaults.

        Raises:
            DataError: Nobody has two train events.
        """
        config = config or SasRecConfig()
        row = data.item_index.__getitem__
        histories = [
            [row(event.item_id) for event in history.events] for history in data.histories("train")
        ]
        if all(len(history) < 2 for history in histories):
            raise DataError(
                f"nobody in {data.path} has two train events; there is nothing to learn"
            )
        questions = to_questions(sample_questions(data, config.validation_users, seed), row)
        features = ItemFeatures.plain(len(data.item_index))
        head, curve = fit_sasrec_head(
            histories, questions, features, Recipe(np.zeros((0, 1, 1)), config, seed, device)
        )
        return cls(data.items, count_events(data), head, config, curve)

    @property
    def settings(self) -> dict[str, Any]:
        """How it was trained."""
        return self._config.model_dump()

    def _score(self, requests: Sequence[Request]) -> np.ndarray:
        histories = pad_histories(
            [self._known(event.item_id for event in each.history.events) for each in requests]
        )
        with torch.inference_mode():
            logits = self._head(histories.to(self._device), self._features, self._vectors)
            scores: np.ndarray = logits.double().softmax(dim=1).cpu().numpy()
        return scores
