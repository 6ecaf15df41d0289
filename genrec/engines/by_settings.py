"""Queries that want the model to answer in different ways, each way answered by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from genrec.engines.base import ItemQuery
from genrec.schema import ModelSettings

T = TypeVar("T")


def by_settings(
    answer: Callable[..., Sequence[T]], queries: Sequence[ItemQuery], *beside: Sequence[Any]
) -> list[T]:
    """Answer queries, those of equal settings together.

    Args:
        answer: Takes settings, the queries that want them and what belongs to these; returns as
            many answers.
        queries: Of any settings.
        beside: What belongs to each query, such as the rows it asks about.

    Returns:
        In the order of the queries.
    """
    places: dict[ModelSettings, list[int]] = defaultdict(list)
    for place, query in enumerate(queries):
        places[query.model].append(place)
    found: dict[int, T] = {}
    for settings, some in places.items():
        asked = ([column[place] for place in some] for column in (queries, *beside))
        found |= zip(some, answer(settings, *asked), strict=True)
    return [found[place] for place in range(len(queries))]
