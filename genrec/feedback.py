"""What the type of an event says of its item: the one place that tells liking from disliking.

Most types (a view, a purchase) say that the item was wanted, and need no entry here. Three grades
say more: an item was liked, is not wanted, or is owned already. Knows names of types only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from genrec.schema import History

Grade = Literal["liked", "not_interested", "already_have"]

EVENT_TYPES: dict[str, Grade] = {
    **dict.fromkeys(("liked", "like", "thumbs_up"), "liked"),
    **dict.fromkeys(
        ("not_interested", "dislike", "disliked", "thumbs_down", "not_for_me"), "not_interested"
    ),
    **dict.fromkeys(("already_have", "already_own", "owned"), "already_have"),
}
"""Grades by type of event, as ``plain_type`` writes it."""


@lru_cache(1024)  # asked of every event of every request, and types are few
def plain_type(event_type: str) -> str:
    """Return a type in small letters, with one underscore for whatever stands between words.

    Examples:
        >>> plain_type("Not interested")
        'not_interested'
    """
    return re.sub(r"[\W_]+", "_", event_type.lower()).strip("_")


def grade_of(event_type: str | None) -> Grade | None:
    """Return the grade of a type of event; None: it only says that the item was wanted."""
    return None if event_type is None else EVENT_TYPES.get(plain_type(event_type))


def is_evidence(event_type: str | None) -> bool:
    """Whether such an event counts for its item: in histories, interests and training."""
    return grade_of(event_type) != "not_interested"


def evidence_of(history: History) -> History:
    """Return the history without the events that speak against their items."""
    against = {
        place for place, event in enumerate(history.events) if not is_evidence(event.event_type)
    }
    return history.without(against) if against else history
