"""Items under requests with their scores: what explanations are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from genrec.schema import Request
from genrec.stream.windows import View

Score = Callable[[Sequence[Request], Sequence[str], Sequence[View]], Sequence[float]]
"""Log-probabilities of items, one for each request, under a view of its history."""


class Scored(NamedTuple):
    """An item under a request: what of the history is read, and its log-probability then."""

    request: Request
    item_id: str
    view: View
    score: float
