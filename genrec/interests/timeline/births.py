"""Where interests began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genrec.schema import SemanticId

BORN_AT = 0.6
"""Probability after its first event from which an interest is born without a second one."""


@dataclass(frozen=True)
class Birth:
    """An interest that began.

    Attributes:
        prefix: Of the interest.
        name: Its words.
        place: Number of its first event.
        known: Number of the event after which it was certain: the second of the interest, or
            its first where the model at once expected it to go on.
    """

    prefix: SemanticId
    name: str
    place: int
    known: int


def find_births(
    met: np.ndarray, expected: np.ndarray, prefixes: Sequence[SemanticId], names: Sequence[str]
) -> list[Birth]:
    """Return the interests that began, in the order of their first events.

    One event is not enough unless the model takes it for a beginning: it has learned which
    first events others went on from, and which stayed alone.

    Args:
        met: Column of each event's interest; -1 for none. Shape: (n,).
        expected: Shares before each event and after the last. Shape: (n + 1, K).
        prefixes: Of the columns.
        names: Of the columns.
    """
    found = []
    for column in dict.fromkeys(met[met >= 0].tolist()):
        places = np.flatnonzero(met == column)
        first = int(places[0])
        if expected[first + 1, column] >= BORN_AT:
            known = first
        elif len(places) > 1:
            known = int(places[1])
        else:
            continue
        found.append(Birth(prefixes[column], names[column], first, known))
    return found
