"""What can be asked beside the user: options as a Python user gives them, to requests.

Options are checked here, once for all requests that share them. Knows the ID table, no model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, TypedDict

from genrec.arguments import (
    Moment,
    check_collection,
    check_flag,
    check_ids,
    check_integer,
    check_text,
    check_type,
    to_seconds,
    wrong_type,
)
from genrec.data.clean import clean_about
from genrec.errors import DataError
from genrec.events import NEW_USER
from genrec.filters import read_filter
from genrec.interests.counterfactual import read_interest_bias, resolve_event_indices
from genrec.preferences import Steering, read_preferences
from genrec.schema import History, Request, SemanticId
from genrec.semantic_ids.table import SemanticIdTable
from genrec.table_attributes import TableAttributes


class RequestOptions(TypedDict, total=False):
    """What both ``recommend``, which documents them, and ``explain`` take beside the user."""

    exclude: Collection[str]
    candidates: Collection[str] | None
    at: Moment | None
    event_type: str | None
    filter_seen: bool
    as_of: Moment | None
    without: Collection[int | str]
    interest_bias: Mapping[str | SemanticId, float] | None
    filters: Mapping[str, Any] | None
    preferences: Sequence[Mapping[str, Any]]
    query: str | None
    about: str | None


MAX_QUERY_CHARS = 10_000


def make_requests(
    histories: Sequence[History],
    table: SemanticIdTable,
    attributes: Callable[[], TableAttributes],
    options: RequestOptions,
) -> list[Request]:
    """Check the options once, and make a request of each history.

    Args:
        histories: Whom to ask for.
        table: The items.
        attributes: Called where filters or preferences ask for them.
        options: As the user gave them.

    Raises:
        DataError: An unknown item, interest or event, or an option of a wrong type.
        TypeError: There is no such option.
    """
    if unknown := options.keys() - RequestOptions.__optional_keys__:
        known = ", ".join(sorted(RequestOptions.__optional_keys__))
        raise TypeError(f"no option '{min(unknown)}'; options are {known}")
    candidates, event_type = options.get("candidates"), options.get("event_type")
    filters = options.get("filters")
    at, as_of, without = options.get("at"), options.get("as_of"), options.get("without")
    wanted = None if candidates is None else frozenset(check_ids(candidates, "candidates"))
    unwanted = frozenset(check_ids(options.get("exclude", ()), "exclude"))
    for item_id in unwanted | (wanted or frozenset()):
        table.index_of(item_id)
    if event_type is not None:
        check_text(event_type, "event_type")
    dropped = [
        event if isinstance(event, str) else check_integer(event, "without")
        for event in check_collection(
            () if without is None else without, "without", "event numbers or item IDs"
        )
    ]
    moment = None if at is None else to_seconds(at, "at")
    past = None if as_of is None else to_seconds(as_of, "as_of")
    shared = Request(
        History(NEW_USER, ()),
        past if moment is None else moment,
        event_type,
        unwanted,
        wanted if filters is None else attributes().passing(read_filter(filters), wanted),
        check_flag(options.get("filter_seen", True), "filter_seen"),
        read_interest_bias(table, _check_bias(options.get("interest_bias"))),
        _check_words(options.get("query"), "query", "what is looked for"),
    )
    about = _check_words(options.get("about"), "about", "who asks")
    preferences = read_preferences(options.get("preferences", ()))
    steering = Steering(preferences, attributes()) if preferences.said else None
    requests = []
    for history in histories:
        if dropped:
            history = history.without(resolve_event_indices(history, dropped))
        if past is not None:
            history = history.before(past)
        if about is not None:
            history = replace(history, about=clean_about(about))
        request = replace(shared, history=history)
        requests.append(request if steering is None else steering.steer(request))
    return requests


def _check_words(words: Any, name: str, what: str) -> str | None:
    if words is None:
        return None
    text = check_text(words, name)
    if not text.strip():
        raise DataError(f"{name} is empty; say {what}, or leave it out")
    if len(text) > MAX_QUERY_CHARS:
        raise DataError(
            f"{name} has {len(text):,} characters, more than {MAX_QUERY_CHARS:,}; say {what} in a "
            "sentence or two"
        )
    return text


def _check_bias(interest_bias: Any) -> Mapping[str | SemanticId, float]:
    bias = {} if interest_bias is None else interest_bias
    if not isinstance(bias, Mapping):
        raise wrong_type(bias, "interest_bias", "a mapping from interests to nats")
    for interest, nats in bias.items():
        if not isinstance(interest, str):
            for code in check_type(
                interest, "interest_bias", tuple, "names or semantic-ID prefixes"
            ):
                check_integer(code, f"interest_bias[{interest}]")
        if isinstance(nats, bool) or not isinstance(nats, Real):
            raise wrong_type(nats, f"interest_bias[{interest!r}]", "nats (a number)")
    return bias
