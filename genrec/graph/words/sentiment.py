"""How much a review likes what it speaks of, from -1 to 1, or that nobody can say.

VADER's lexicon is English: in other languages its words mean other things ("die" is no threat in
German). So a text is scored only where it is found to be English and holds a word VADER knows.
Otherwise the rating speaks, and without one nothing does: there is no made-up 0.

Source: Hutto and Gilbert 2014, "VADER". Differs: it was made for single sentences, so that a
review's score is the mean of its sentences that say anything.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from genrec.errors import ConfigError
from genrec.graph.words.corpus import review_of
from genrec.schema import Event

RATING_RANGE = (1.0, 5.0)
MAX_SENTENCES = 20

_MISSING = (
    "the sentiment of reviews needs py3langid and vaderSentiment: pip install 'genrec[interests]', "
    "or set event_weights=none"
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_MAX_SENTENCE_CHARS = 300


@dataclass(frozen=True)
class Sentiment:
    """Scores texts and events.

    Attributes:
        rating_range: Worst and best rating; others are clipped to it.
    """

    rating_range: tuple[float, float] = field(default=RATING_RANGE)

    def of_event(self, event: Event) -> float | None:
        """Return the score of an event's review, else of its rating, else None."""
        score = self.of_text(review_of(event))
        return self.of_rating(event.rating) if score is None else score

    def of_text(self, text: str | None) -> float | None:
        """Return a text's score; None where it is empty, not English or says nothing VADER knows.

        Only the first ``MAX_SENTENCES`` sentences are read.

        Raises:
            ConfigError: The libraries that read are not installed.
        """
        if not text or not text.strip() or not self._is_english(text):
            return None
        scores = []
        for sentence in _SENTENCE_END.split(text)[:MAX_SENTENCES]:
            found = self._vader.polarity_scores(sentence[:_MAX_SENTENCE_CHARS])
            if found["pos"] or found["neg"]:
                scores.append(found["compound"])
        return sum(scores) / len(scores) if scores else None

    def of_rating(self, rating: float | None) -> float | None:
        """Return a rating's place between the worst (-1) and the best (1); None without one."""
        low, high = self.rating_range
        if rating is None or not math.isfinite(rating) or high <= low:
            return None
        return min(1.0, max(-1.0, 2 * (rating - low) / (high - low) - 1))

    def _is_english(self, text: str) -> bool:
        try:
            import py3langid
        except ImportError:
            raise ConfigError(_MISSING) from None
        return bool(py3langid.classify(text[: MAX_SENTENCES * _MAX_SENTENCE_CHARS])[0] == "en")

    @cached_property
    def _vader(self) -> Any:
        try:
            from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
        except ImportError:
            raise ConfigError(_MISSING) from None
        return SentimentIntensityAnalyzer()
