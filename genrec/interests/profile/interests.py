"""The interests a history shows: events counted by the coarse code of their items.

This is the data's own truth, without a model: what summaries are trained on and checked against.
"""

from __future__ import annotations

from collections import defaultdict

from genrec.data.half_life import decay
from genrec.interests.profile.trend import Timeline
from genrec.schema import MIN_EVIDENCE, History, Interest, SemanticId
from genrec.semantic_ids.table import SemanticIdTable

MAX_INTERESTS = 5
HALF_LIFE_EVENTS = 8


def find_interests(
    history: History,
    table: SemanticIdTable,
    min_evidence: int = MIN_EVIDENCE,
    max_interests: int = MAX_INTERESTS,
) -> list[Interest]:
    """Return the coarse codes that a history supports, strongest first.

    An event's weight halves with every ``HALF_LIFE_EVENTS`` events after it. Half-lives count
    events, not days, since some logs have no real dates. ``trend`` says how they move.

    Args:
        history: Events, oldest first; events of items the table does not know are passed over.
        table: Semantic IDs.
        min_evidence: Fewest events an interest rests on.
        max_interests: Most interests returned.

    Returns:
        Interests whose weights sum to at most 1; empty where the history is too short.
    """
    events = [event for event in history.events if table.knows(event.item_id)]
    places_of: dict[SemanticId, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        places_of[table.codes_of(event.item_id)[:1]].append(place)
    last = len(events) - 1
    weights = [decay(last - index, HALF_LIFE_EVENTS) for index in range(len(events))]
    timeline = Timeline([event.timestamp for event in events])
    interests = []
    for prefix, places in places_of.items():
        if len(places) < min_evidence:
            continue
        trend, p_value = timeline.trend(places)
        interests.append(
            Interest(
                name=table.name_of(prefix),
                prefix=prefix,
                weight=sum(weights[place] for place in places) / sum(weights),
                trend=trend,
                p_value=p_value,
                first_seen=events[places[0]].timestamp,
                last_seen=events[places[-1]].timestamp,
                peak=events[_peak(places)].timestamp,
                evidence=tuple(events[place] for place in places),
            )
        )
    interests.sort(key=lambda interest: (-interest.weight, interest.prefix))
    return interests[:max_interests]


def _peak(places: list[int]) -> int:
    """Return the event after which an interest weighed most: the first of equal ones."""
    kept = decay(1, HALF_LIFE_EVENTS)
    best, peak, support, last = 0.0, places[0], 0.0, places[0]
    for place in places:
        support = support * kept ** (place - last) + 1
        total = (1 - kept ** (place + 1)) / (1 - kept)
        if support / total > best:
            best, peak = support / total, place
        last = place
    return peak
