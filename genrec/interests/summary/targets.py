"""What a summary should have said: the data's own truth at a moment, and what came after it.

An interest counts as emerging only where the user's next events go on with it, so that a model
learns to tell what will last from what was a whim; what does not go on is recent.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from genrec.interests.profile.buckets import NEXT_EVENTS, SummaryList, classify
from genrec.interests.profile.interests import find_interests
from genrec.interests.summary.codec import (
    MAX_CITED,
    MAX_NAMED,
    MAX_SAID,
    MAX_STATEMENTS,
    Statement,
    WrittenClaim,
    WrittenSummary,
)
from genrec.interests.summary.templates import StatementKind, wordings
from genrec.schema import MIN_EVIDENCE, Event, History, Interest, SemanticId
from genrec.semantic_ids.table import SemanticIdTable

_MOST_TELLING: tuple[StatementKind, ...] = (
    "emerging",
    "long_term",
    "returned",
    "fading",
    "recent",
)


def make_target(
    now: History,
    later: Sequence[Event],
    first: int,
    table: SemanticIdTable,
    rng: random.Random,
) -> WrittenSummary:
    """Return what to say of a history.

    Args:
        now: The history.
        later: The user's events after it.
        first: Place of the first event that can be seen; only what enough visible events show
            is said.
        table: Semantic IDs.
        rng: Draws the wordings.
    """
    visible: dict[int, list[Event]] = {}
    for event in now.events[first:]:
        visible.setdefault(table.codes_of(event.item_id)[0], []).append(event)
    going_on = {table.codes_of(event.item_id)[0] for event in later[:NEXT_EVENTS]}
    lists: dict[SummaryList, list[Interest]] = {name: [] for name in MAX_NAMED}
    for interest in find_interests(now, table, max_interests=len(now.events) or 1):
        code = interest.prefix[0]
        if len(visible.get(code, ())) < MIN_EVIDENCE:
            continue
        own = classify(interest, now, table, code in going_on)[0]
        if len(lists[own]) < MAX_NAMED[own]:
            lists[own].append(interest)
    claims = {
        name: tuple(
            WrittenClaim(interest.prefix[0], _cited(visible[interest.prefix[0]], table))
            for interest in interests
        )
        for name, interests in lists.items()
    }
    return WrittenSummary(claims, _statements(lists, rng))


def _cited(events: Sequence[Event], table: SemanticIdTable) -> tuple[SemanticId, ...]:
    """Return the newest events, newest first."""
    return tuple(table.codes_of(event.item_id) for event in reversed(events[-MAX_CITED:]))


def _statements(
    lists: dict[SummaryList, list[Interest]], rng: random.Random
) -> tuple[Statement, ...]:
    codes: dict[StatementKind, list[int]] = {kind: [] for kind in _MOST_TELLING}
    for name, interests in lists.items():
        for interest in interests:
            # What returned has a statement of its own.
            has_returned = name == "recent" and interest.trend == "returned"
            codes["returned" if has_returned else name].append(interest.prefix[0])
    said = [
        Statement(kind, rng.randrange(len(wordings()[kind])), tuple(about[:MAX_SAID]))
        for kind, about in codes.items()
        if about
    ]
    return tuple(said[:MAX_STATEMENTS])
