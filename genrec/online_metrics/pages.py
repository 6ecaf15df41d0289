"""What the figures are made of: pages, acts, and what was known in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genrec.schema import Draw


@dataclass(frozen=True, slots=True)
class Page:
    """One answer that was shown, however often.

    Attributes:
        recommendation_id: One for each page.
        user_id: None: nobody known.
        time: Seconds.
        items: ID and score (log-probability in nats) of each item, by rank.
        draws: How chance put each there, by rank; empty where it did not choose at every rank.
    """

    recommendation_id: str
    user_id: str | None
    time: int
    items: tuple[tuple[str, float], ...]
    draws: tuple[Draw, ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """One event, without its words.

    Attributes:
        user_id: External ID.
        item_id: External ID.
        time: Seconds.
        event_type: Such as "view" or "purchase".
        recommendation_id: The page that it follows; None: none.
    """

    user_id: str
    item_id: str
    time: int
    event_type: str | None = None
    recommendation_id: str | None = None


@dataclass(frozen=True)
class Training:
    """What the model learned from.

    Attributes:
        events_of: Events of each item; an item that is not here is new to the model.
        code_of: First code of the semantic ID of each item that there is.
        until: Time of the newest event, seconds; None: it learned from none.
    """

    events_of: Mapping[str, int] = field(default_factory=dict)
    code_of: Mapping[str, int] = field(default_factory=dict)
    until: int | None = None
