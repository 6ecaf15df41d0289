"""Predict how a user will rate an item, with a chat model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genrec.data import Dataset
from genrec.schema import History, Item, Request
from genrec.zero_shot.chat import ChatModel
from genrec.zero_shot.prompts import PromptWriter, fit

MAX_STEPS = 21


@dataclass(frozen=True)
class RatingPrediction:
    """A predicted rating.

    Attributes:
        rating: The expected rating where the model gives probabilities, otherwise the one it wrote.
        probabilities: Of each rating on the scale; empty where the model gives none.
    """

    rating: float
    probabilities: Mapping[float, float]


def find_scale(data: Dataset) -> list[float]:
    """Return the distinct ratings of the train split, ascending; 1 to 5 if there are too many."""
    seen = {
        event.rating
        for history in data.histories("train")
        for event in history.events
        if event.rating is not None
    }
    return sorted(seen) if 2 <= len(seen) <= MAX_STEPS else [1.0, 2.0, 3.0, 4.0, 5.0]


@dataclass(frozen=True)
class RatingPredictor:
    """Predicts ratings.

    Attributes:
        model: The chat model.
        writer: Renders the prompts.
        scale: Possible ratings, ascending.
    """

    model: ChatModel
    writer: PromptWriter
    scale: Sequence[float]

    async def predict(self, history: History, item: Item) -> RatingPrediction:
        """Return the user's rating of an item that comes after the history.

        Raises:
            ChatError: No answer, or an answer that is not on the scale; counted in ``usage``.
        """
        steps = [f"{rating:g}" for rating in self.scale]
        build = self.writer.rating(Request(history), item, steps)
        chat = await fit(build, history, self.model, 16)
        if not self.model.can_score:
            return RatingPrediction(float(await self.model.choose(chat, steps)), {})
        probabilities = np.exp(await self.model.score(chat, steps))
        expected = float(np.dot(probabilities, self.scale))
        by_rating = dict(zip(self.scale, probabilities.tolist(), strict=True))
        return RatingPrediction(expected, by_rating)
