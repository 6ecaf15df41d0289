"""Answers for many users as one frame, of the kind that they were asked with.

Enters: a recommender and users in any of the forms of ``read_users``. Leaves: one frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from genrec.arguments import check_collection, check_count, is_id, wrong_type
from genrec.batching import in_batches
from genrec.data.clean import clean_about
from genrec.errors import DataError
from genrec.frames.read import (
    as_frame,
    as_series,
    check_columns,
    read_descriptions,
    read_histories,
    read_ids,
)
from genrec.frames.write import default_kind, make_frame
from genrec.interests.explain.deletion import Explanation
from genrec.interests.summary.check import Summary
from genrec.interests.timeline.evolution import Evolution
from genrec.progress import track
from genrec.schema import ITEM_ID, TIMESTAMP, TITLE, USER_ID, History, Recommendation, Request
from genrec.semantic_ids.table import SemanticIdTable

USERS_AT_ONCE = 256
NOTHING_SAID: Mapping[str, str | None] = {}
MAX_NAMED = 3
"""Unknown users that an error names."""

TIME = pa.timestamp("s", tz="UTC")
RECOMMENDATIONS = pa.schema(
    {USER_ID: pa.string(), ITEM_ID: pa.string(), "score": pa.float64(), "rank": pa.int64()}
)
SIMILAR = pa.schema(
    {
        ITEM_ID: pa.string(),
        "similar_item_id": pa.string(),
        "score": pa.float64(),
        "rank": pa.int64(),
    }
)
INTERESTS = pa.schema(
    {
        USER_ID: pa.string(),
        "interest": pa.string(),
        "weight": pa.float64(),
        "trend": pa.string(),
        "p_value": pa.float64(),
        "num_events": pa.int64(),
        "first_seen": TIME,
        "last_seen": TIME,
        "peak": TIME,
        "summary": pa.string(),
    }
)
TIMELINE = pa.schema(
    {
        USER_ID: pa.string(),
        "event": pa.int64(),
        TIMESTAMP: TIME,
        "interest": pa.string(),
        "share": pa.float64(),
    }
)
EXPLANATIONS = pa.schema(
    {
        USER_ID: pa.string(),
        ITEM_ID: pa.string(),
        "event": pa.int64(),
        TIMESTAMP: TIME,
        "event_item_id": pa.string(),
        TITLE: pa.string(),
        "nats": pa.float64(),
        "is_evidence": pa.bool_(),
        "sentence": pa.string(),
    }
)

T = TypeVar("T")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Asked:
    """Users, and the kind of frame that answers go into."""

    histories: list[History]
    kind: Any


LookUp = Callable[[Sequence[str]], dict[str, History]]
"""Takes user IDs, returns the histories of those that are known."""


def read_users(users: Any, look_up: LookUp) -> Asked:
    """Return the histories that are meant.

    Args:
        users: A frame of events, which has items or times; a frame, series or list of user IDs; a
            frame of user IDs and what each user says of themselves (``about``), of whom some may
            not be known otherwise; or a list of histories.
        look_up: Finds known users.

    Raises:
        DataError: A column is missing, a value cannot be used, or users are not known.
    """
    frame, series = as_frame(users, "users"), as_series(users)
    if frame is not None:
        if USER_ID not in frame.columns or {ITEM_ID, TIMESTAMP} & set(frame.columns):
            return Asked(read_histories(frame, "users"), frame.implementation)
        said = read_descriptions(frame, "users")
        return Asked(_known(list(said), look_up, said), frame.implementation)
    if series is not None:
        ids = read_ids(series.to_list(), "users")
        return Asked(_known(ids, look_up), series.implementation)
    if isinstance(users, str | bytes | dict) or not isinstance(users, Iterable):
        raise wrong_type(users, "users", "a frame of events, or a list of user IDs or histories")
    given = list(users)
    if any(isinstance(each, History) for each in given):
        if wrong := [each for each in given if not isinstance(each, History)]:
            raise wrong_type(wrong[0], "users", "histories alone")
        return Asked(given, default_kind())
    return Asked(_known(read_ids(given, "users"), look_up), default_kind())


def read_items(items: Any) -> tuple[list[str], Any]:
    """Return the item IDs that are meant, each once, and the kind of frame to answer with.

    Args:
        items: An item ID, or a list, series or frame (column ``item_id``) of them.

    Raises:
        DataError: The column is missing, or a value cannot be used.
    """
    frame, series = as_frame(items, "items"), as_series(items)
    kind: Any = default_kind()
    if frame is not None:
        check_columns(frame, (ITEM_ID,), None, "items")
        items, kind = frame[ITEM_ID].to_list(), frame.implementation
    elif series is not None:
        items, kind = series.to_list(), series.implementation
    elif is_id(items):
        items = [items]
    item_ids = read_ids(check_collection(items, "items", "item IDs"), "items")
    return list(dict.fromkeys(item_ids)), kind


def recommendations(
    requests: Sequence[Request],
    k: int,
    rank: Callable[[Sequence[Request], int], list[list[Recommendation]]],
    kind: Any,
) -> Any:
    """Return each user's items, best first; fewer than ``k`` where filters leave fewer."""
    count = check_count(k, "k")
    rows: list[tuple[str, str, float, int]] = []
    ranked = _answered(requests, lambda some: rank(some, count), "recommending")
    for request, found in ranked:
        user_id = request.history.user_id
        rows += [(user_id, item.item_id, item.score, item.rank) for item in found]
    return _frame(rows, RECOMMENDATIONS, kind)


def summaries(
    histories: Sequence[History], ask: Callable[[Sequence[History]], list[Summary]], kind: Any
) -> Any:
    """Return a row for each user and interest, strongest first."""
    rows: list[tuple[Any, ...]] = []
    for history, summary in _answered(histories, ask, "interests"):
        rows += [
            (
                history.user_id,
                interest.name,
                interest.weight,
                interest.trend,
                interest.p_value,
                len(interest.evidence),
                interest.first_seen,
                interest.last_seen,
                interest.peak,
                summary.words,
            )
            for interest in summary.interests
        ]
    return _frame(rows, INTERESTS, kind)


def timelines(
    requests: Sequence[Request], ask: Callable[[Sequence[Request]], list[Evolution]], kind: Any
) -> Any:
    """Return for each event the share that each interest has right after it."""
    rows: list[tuple[Any, ...]] = []
    for _, evolution in _answered(requests, ask, "timelines"):
        for place, event in enumerate(evolution.events):
            rows += [
                (evolution.user_id, place + 1, event.timestamp, name, float(share))
                for name, share in zip(evolution.names, evolution.expected[place + 1], strict=True)
            ]
    return _frame(rows, TIMELINE, kind)


def explanations(
    questions: Sequence[tuple[Request, str]],
    ask: Callable[[Sequence[tuple[Request, str]]], list[Explanation]],
    kind: Any,
) -> Any:
    """Return for each user and item what each event does to the item's log-probability."""
    rows: list[tuple[Any, ...]] = []
    for (request, item_id), explained in _answered(questions, ask, "explaining"):
        named = {effect.place for effect in explained.evidence}
        rows += [
            (
                request.history.user_id,
                item_id,
                effect.place + 1,
                effect.event.timestamp,
                effect.event.item_id,
                effect.title,
                effect.nats,
                effect.place in named,
                explained.sentence,
            )
            for effect in explained.effects
        ]
    return _frame(rows, EXPLANATIONS, kind)


def similar_items(
    table: SemanticIdTable,
    item_ids: Sequence[str],
    find: Callable[[str], tuple[np.ndarray, np.ndarray]],
    kind: Any,
) -> Any:
    """Return what ``find`` finds like each item: rows of the table, nearest first, and cosines."""
    found: list[tuple[str, str, float, int]] = []
    for item_id in item_ids:
        pairs = zip(*map(np.ndarray.tolist, find(item_id)), strict=True)
        found += [
            (item_id, table.item_ids[row], score, rank)
            for rank, (row, score) in enumerate(pairs, start=1)
        ]
    return _frame(found, SIMILAR, kind)


def _frame(rows: Sequence[tuple[Any, ...]], schema: pa.Schema, kind: Any) -> Any:
    columns = zip(*rows, strict=True) if rows else ([] for _ in schema.names)
    return make_frame(dict(zip(schema.names, map(list, columns), strict=True)), schema, kind)


def _answered(
    asked: Sequence[T], ask: Callable[[Sequence[T]], Sequence[Answer]], description: str
) -> Iterator[tuple[T, Answer]]:
    """Yield whatever is asked with its answer; it is asked in batches."""
    batches = list(in_batches(asked, USERS_AT_ONCE))
    for batch in track(batches, description) if len(batches) > 1 else batches:
        yield from zip(batch, ask(batch), strict=True)


def _known(
    user_ids: Sequence[str], look_up: LookUp, said: Mapping[str, str | None] = NOTHING_SAID
) -> list[History]:
    wanted = list(dict.fromkeys(user_ids))
    found = look_up(wanted)
    for user_id, about in said.items():
        if about is not None:
            history = found.get(user_id, History(user_id, ()))
            found[user_id] = replace(history, about=clean_about(about))
    if unknown := [user_id for user_id in wanted if user_id not in found]:
        named = ", ".join(f"'{user_id}'" for user_id in unknown[:MAX_NAMED])
        raise DataError(
            f"{len(unknown)} of {len(wanted)} users are not known, such as {named}; check the IDs "
            "(text, case-sensitive), leave them out, or give their events or what they say of "
            "themselves"
        )
    return [found[user_id] for user_id in wanted]
