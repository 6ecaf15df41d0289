"""What graded events do to a request: they steer what is generated, whatever the base has read.

An item that is not wanted is never shown again, its interest is dampened, and its event is no
evidence. An item that is owned is not shown, and stays evidence. A liked item raises its interest.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from genrec.data.half_life import decay
from genrec.feedback import evidence_of, grade_of
from genrec.interests.profile.interests import HALF_LIFE_EVENTS
from genrec.schema import Request, SemanticId
from genrec.semantic_ids.table import SemanticIdTable

NATS = {"liked": 0.5, "not_interested": -1.0}
"""What the newest such event adds to the log-odds of its interest; halved by every
``HALF_LIFE_EVENTS`` events after it."""
MOST_NATS = 4.0
"""What all of them together add or take, at most."""


def heed_feedback(request: Request, table: SemanticIdTable, tilts: bool = True) -> Request:
    """Return the request as its graded events want it; the same object where there is none.

    Args:
        request: Its history may hold graded events.
        table: Semantic IDs.
        tilts: Whether the model's odds of interests can be tilted; else items are hidden only.
    """
    events = request.history.events
    grades = {
        place: grade
        for place, event in enumerate(events)
        if (grade := grade_of(event.event_type)) is not None
    }
    if not grades:
        return request
    nats: dict[SemanticId, float] = defaultdict(float)
    for place, grade in grades.items():
        item_id = events[place].item_id
        if grade in NATS and table.knows(item_id):
            age = len(events) - 1 - place
            nats[table.codes_of(item_id)[:1]] += NATS[grade] * decay(age, HALF_LIFE_EVENTS)
    bias = dict(request.interest_bias)
    for prefix, strength in nats.items() if tilts else ():
        bias[prefix] = bias.get(prefix, 0.0) + min(max(strength, -MOST_NATS), MOST_NATS)
    hidden = {
        events[place].item_id
        for place, grade in grades.items()
        if grade in ("not_interested", "already_have")
    }
    # Grades are acts of their own: what is asked for is an event such as those before them.
    usual = [event.event_type for place, event in enumerate(events) if place not in grades]
    return replace(
        request,
        history=evidence_of(request.history),
        at=events[-1].timestamp if request.at is None else request.at,
        event_type=request.event_type or (usual[-1] if usual else None),
        exclude=request.exclude.union(hidden),
        interest_bias=bias,
    )
