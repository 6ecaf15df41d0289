"""Queries that want the model to answer in different ways, each way answered by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from genrec.engines.base import ItemQuery
from genrec.schema import ModelSettings

T = TypeVar("T")


def by_settings(
    queries: Sequence[ItemQuery], answer: Callable[[ModelSettings, list[int]], Sequence[T]]
) -> list[T]:
    """Answer queries, those of equal settings together.

    Args:
        queries: Of any settings.
        answer: Takes settings and the places of the queries that want them; returns as many
            answers.

    Returns:
        In the order of the queries.
    """
    places: dict[ModelSettings, list[int]] = defaultdict(list)
    for place, query in enumerate(queries):
        places[query.model].append(place)
    found: dict[int, T] = {}
    for settings, some in places.items():
        found |= zip(some, answer(settings, some), strict=True)
    return [found[place] for place in range(len(queries))]
