"""Where an interest stands in a summary: which of its lists it is true in, by the events.

Summaries are trained on this and checked against it.
"""

from __future__ import annotations

from typing import Literal, get_args

from genrec.schema import History, Interest
from genrec.semantic_ids.table import SemanticIdTable

SummaryList = Literal["long_term", "recent", "emerging", "fading"]
SUMMARY_LISTS: tuple[SummaryList, ...] = get_args(SummaryList)
RECENT_SHARE = 1 / 3
"""Of a history's events: the last, one of which a recent interest holds."""
LONG_SHARE = 1 / 2
"""Of a history's events: what an interest spans, from its first to its last, to be long-term."""
NEXT_EVENTS = 5
"""Among these, right after a history, an emerging interest goes on."""


def classify(
    interest: Interest, history: History, table: SemanticIdTable, goes_on: bool = True
) -> tuple[SummaryList, ...]:
    """Return the lists in which naming an interest is true, its own first; never empty.

    An interest's own list follows its trend: fading stands under this name, and emerging does where
    it goes on; else it is recent. What returned is recent too, and what is steady is long-term
    where it spans half of the history, else recent. It may also be called long-term wherever it
    spans half, and recent wherever the last third of the events holds it and it is not fading.

    Args:
        interest: Of ``find_interests`` on this very history.
        history: Events, oldest first; events of items the table does not know are passed over.
        table: Semantic IDs.
        goes_on: Whether one of the next ``NEXT_EVENTS`` events is of the interest, or is predicted.
    """
    length = len(interest.prefix)
    known = [event for event in history.events if table.knows(event.item_id)]
    places = [
        place
        for place, event in enumerate(known)
        if table.codes_of(event.item_id)[:length] == interest.prefix
    ]
    spans = places[-1] - places[0] + 1 >= LONG_SHARE * len(known)
    border = len(known) - max(1, round(len(known) * RECENT_SHARE))
    own: SummaryList = "long_term" if spans else "recent"
    if interest.trend == "fading":
        own = "fading"
    elif interest.trend == "emerging":
        own = "emerging" if goes_on else "recent"
    elif interest.trend == "returned":
        own = "recent"
    true: dict[SummaryList, None] = {own: None}
    if spans:
        true["long_term"] = None
    if places[-1] >= border and interest.trend != "fading":
        true["recent"] = None
    return tuple(true)
