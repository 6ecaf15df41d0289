"""What a user may set about the interest graph."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class GraphConfig(BaseModel):
    """Settings of ``build_graph``.

    Attributes:
        half_life_days: Time that halves an event's weight.
        event_weights: What tells whether an event was liked: its rating and, without one, the
            sentiment of its review ("rating"); the other way round ("review"); nothing ("none").
        rating_range: Worst and best rating.
        liking_strength: How far it moves an event's weight of 1, at most, up or down.
        window: An interest follows those of the user's last so many events, with weight one over
            their distance.
        depths: Lengths of the prefixes that are interests.
        words_per_interest: Keywords linked to an interest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    half_life_days: float = Field(default=180.0, gt=0, allow_inf_nan=False)
    event_weights: Literal["rating", "review", "none"] = "rating"
    rating_range: tuple[float, float] = (1.0, 5.0)
    liking_strength: float = Field(default=0.9, ge=0, lt=1)
    window: int = Field(default=3, ge=1, le=100)
    depths: tuple[int, ...] = Field(default=(1, 2), min_length=1)
    words_per_interest: int = Field(default=10, ge=0)

    @model_validator(mode="after")
    def _consistent(self) -> GraphConfig:
        if min(self.depths) < 1 or len(set(self.depths)) < len(self.depths):
            raise ValueError("depths must be different and at least 1")
        if not self.rating_range[0] < self.rating_range[1]:
            raise ValueError("rating_range must be the worst rating, then the best")
        return self
