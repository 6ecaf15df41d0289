"""An event's part in the weights: more where it was liked, less where it was not."""

from __future__ import annotations

from genrec.graph.config import GraphConfig
from genrec.graph.words.corpus import review_of
from genrec.graph.words.sentiment import Sentiment
from genrec.schema import Event


class Opinions:
    """Weighs events before they fade."""

    def __init__(self, config: GraphConfig):
        self._config = config
        self._sentiment = Sentiment(config.rating_range)

    def weigh(self, event: Event) -> float:
        """Return an event's weight: 1 without an opinion, always above 0."""
        opinion = self._opinion(event)
        return 1.0 if opinion is None else 1.0 + self._config.opinion_strength * opinion

    def _opinion(self, event: Event) -> float | None:
        if self._config.opinions == "none":
            return None
        if self._config.opinions == "review":
            return self._sentiment.of_event(event)
        rated = self._sentiment.of_rating(event.rating)
        return self._sentiment.of_text(review_of(event)) if rated is None else rated
