"""How a user would rate an item, by a chat model."""

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
class RatingForecast:
    """A foreseen rating.

    Attributes:
        rating: The expected rating where the model says how likely each is, else the one it wrote.
        chances: Of each step of the scale; empty where the model cannot say.
    """

    rating: float
    chances: Mapping[float, float]


def find_scale(data: Dataset) -> list[float]:
    """Return the ratings that the train split knows, ascending; 1 to 5 where it knows too many."""
    seen = {
        event.rating
        for history in data.histories("train")
        for event in history.events
        if event.rating is not None
    }
    return sorted(seen) if 2 <= len(seen) <= MAX_STEPS else [1.0, 2.0, 3.0, 4.0, 5.0]


@dataclass(frozen=True)
class RatingForecaster:
    """Foresees ratings.

    Attributes:
        model: Whom to ask.
        writer: Renders the prompts.
        scale: Ratings that can be given, ascending.
    """

    model: ChatModel
    writer: PromptWriter
    scale: Sequence[float]

    async def foresee(self, history: History, item: Item) -> RatingForecast:
        """Return the rating of an item that follows a history.

        Raises:
            Failed: No answer, or no number of the scale; counted in the model's usage.
        """
        steps = [f"{rating:g}" for rating in self.scale]
        room = await self.model.context_tokens() - 16
        build = self.writer.rating(Request(history), item, steps)
        who = f"the prompt of user '{history.user_id}'"
        chat = await fit(build, history.events, room, self.model.count_tokens, who)
        if not self.model.can_score:
            return RatingForecast(float(await self.model.choose(chat, steps)), {})
        chances = np.exp(await self.model.score(chat, steps))
        expected = float(np.dot(chances, self.scale))
        return RatingForecast(expected, dict(zip(self.scale, chances.tolist(), strict=True)))
