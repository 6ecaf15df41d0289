"""Settings of the stream: what of an item's text stands behind its ID in a history."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Shown = Literal["nothing", "title", "title_and_categories"]


class ItemWordsConfig(BaseModel):
    """What of an item's text stands behind its ID in a history.

    Attributes:
        show: "nothing"; "title" (the brand, where an item has no title); or
            "title_and_categories", finest category first.
        max_chars: Length cap; cut between words.
        max_tokens: Length cap; cut between words. An item's words never take more than half of
            an event's room, which is a quarter of the context.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    show: Shown = "nothing"
    max_chars: int = Field(60, ge=1)
    max_tokens: int = Field(24, ge=1)
