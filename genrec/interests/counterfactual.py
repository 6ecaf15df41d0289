"""Questions that were never asked: names of interests and events to what a request holds."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

import numpy as np

from genrec.arguments import show_number
from genrec.errors import DataError
from genrec.schema import History, SemanticId
from genrec.semantic_ids.table import SemanticIdTable

MAX_STRENGTH = 100.0
"""Beyond it nothing is left of the other interests anyway."""
SHOWN_NAMES = 5


def read_interest_bias(
    table: SemanticIdTable, interest_bias: Mapping[str | SemanticId, float]
) -> dict[SemanticId, float]:
    """Return nats by prefix.

    Args:
        table: Names of prefixes, and which are in use.
        interest_bias: By name or by prefix; an interest given by both has the sum.

    Raises:
        DataError: No such interest, or nats that are no number from -100 to 100.
    """
    found: dict[SemanticId, float] = {}
    for interest, nats in interest_bias.items():
        # What is no number, or infinite, is not within bounds either.
        if not abs(nats) <= MAX_STRENGTH:
            raise DataError(
                f"interest {interest!r} turned by {show_number(nats)}: give nats from "
                f"{-MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
            )
        prefix = find_prefix(table, interest)
        found[prefix] = found.get(prefix, 0.0) + nats
    return found


def find_prefix(table: SemanticIdTable, interest: str | SemanticId) -> SemanticId:
    """Return the prefix of an interest, given by name (in any case of letters) or by itself.

    Raises:
        DataError: No item has it; names near to the one given are shown.
    """
    if isinstance(interest, str):
        by_name = {name.casefold(): prefix for prefix, name in table.names.items()}
        prefix = by_name.get(interest.strip().casefold())
        if prefix is None:
            raise DataError(f"no interest is called '{interest}'; {_near(table, interest)}")
    else:
        prefix = tuple(map(int, interest))
    codes = table.codes
    if not 0 < len(prefix) <= codes.shape[1]:
        raise DataError(f"prefix {prefix}: give 1 to {codes.shape[1]} codes")
    if not (codes[:, : len(prefix)] == np.array(prefix)).all(axis=1).any():
        raise DataError(f"no item lies under the interest {interest!r}")
    return prefix


def resolve_event_indices(history: History, without: Collection[int | str]) -> set[int]:
    """Return the places of events in a history.

    Args:
        history: Events, oldest first.
        without: Numbers of events, 1 for the oldest and -1 for the newest, or item IDs: every
            event of the item.

    Raises:
        DataError: There is no such event.
    """
    count = len(history.events)
    found: set[int] = set()
    for one in without:
        if isinstance(one, str):
            places = {at for at, event in enumerate(history.events) if event.item_id == one}
            if not places:
                raise DataError(f"the history of {history.user_id} holds no event of item '{one}'")
            found |= places
        elif 1 <= abs(one) <= count:
            found.add(one - 1 if one > 0 else count + one)
        else:
            raise DataError(
                f"the history of {history.user_id} has no event {one}: it has {count}; the oldest "
                "is 1, the newest -1"
            )
    return found


def _near(table: SemanticIdTable, name: str) -> str:
    """Say which names are like one that does not exist."""
    wanted = name.strip().casefold()
    names = {known.casefold(): known for known in table.names.values()}
    holding = sorted((known for known in names if wanted and wanted in known), key=len)
    near = dict.fromkeys([*holding, *get_close_matches(wanted, names, SHOWN_NAMES, cutoff=0.4)])
    if not near:
        some = sorted(name for prefix, name in table.names.items() if len(prefix) == 1)
        return f"interests are called such as {', '.join(map(repr, some[:SHOWN_NAMES]))}"
    return f"did you mean {' or '.join(repr(names[one]) for one in list(near)[:SHOWN_NAMES])}?"
