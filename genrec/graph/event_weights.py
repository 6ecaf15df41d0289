"""The weight of an event: above 1 where the item was liked, below 1 where it was not."""

from __future__ import annotations

from genrec.graph.config import GraphConfig
from genrec.graph.words.corpus import review_of
from genrec.graph.words.sentiment import Sentiment
from genrec.schema import Event


class EventWeights:
    """Weighs events before they fade."""

    def __init__(self, config: GraphConfig):
        self._config = config
        self._sentiment = Sentiment(config.rating_range)

    def weigh(self, event: Event) -> float:
        """Return an event's weight: 1 without anything that tells, always above 0."""
        liking = self._liking(event)
        return 1.0 if liking is None else 1.0 + self._config.liking_strength * liking

    def _liking(self, event: Event) -> float | None:
        if self._config.event_weights == "none":
            return None
        if self._config.event_weights == "review":
            return self._sentiment.of_event(event)
        rated = self._sentiment.of_rating(event.rating)
        return self._sentiment.of_text(review_of(event)) if rated is None else rated
