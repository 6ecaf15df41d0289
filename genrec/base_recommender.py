"""The Python API that every recommender over a prepared data set shares, whatever its model.

A subclass holds an ID table and answers batches of requests or histories. Written here, once:
checking what a user passes in, asking for one user, looking up items, adding and removing them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any, NoReturn, TypedDict, Unpack

from genrec.arguments import (
    Moment,
    check_collection,
    check_count,
    check_flag,
    check_id,
    check_ids,
    check_integer,
    check_text,
    check_type,
    to_seconds,
    wrong_type,
)
from genrec.data import Dataset
from genrec.errors import DataError, DecodeError, TooFewItems
from genrec.events import NEW_USER, read_events
from genrec.interests.counterfactual import read_interest_bias, resolve_event_indices
from genrec.interests.explain.deletion import Explanation
from genrec.interests.profile.interests import MIN_EVIDENCE
from genrec.interests.summary.check import Summary
from genrec.schema import Event, History, Item, Recommendation, Request, SemanticId
from genrec.semantic_ids.extend import add_items, remove_items, restore_items
from genrec.semantic_ids.table import SemanticIdTable


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


class BaseRecommender(ABC):
    """A ``schema.Ranker`` over a catalogue that may grow."""

    name: str

    def __init__(self, data: Dataset) -> None:
        """Take the prepared data."""
        self._data = data
        self._new_items: dict[str, Item] = {}
        self._removed: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.table)} items from {self._data.path}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: Always; it says what to do instead.
        """
        raise TypeError(
            f"a {type(self).__name__} holds a model in memory and cannot be pickled or copied; "
            "pass the path of the run, and load it once in each process"
        )

    @property
    @abstractmethod
    def table(self) -> SemanticIdTable:
        """The semantic IDs of everything that can be recommended."""

    @abstractmethod
    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """See ``schema.Ranker.rank_many``."""

    @abstractmethod
    def explain_many(self, questions: Sequence[tuple[Request, str]]) -> list[Explanation]:
        """Say why an item (its ID) would be recommended to each request."""

    @abstractmethod
    def interests_many(
        self, histories: Sequence[History], min_evidence: int = MIN_EVIDENCE
    ) -> list[Summary]:
        """Say what each history's user cares about; an interest rests on so many events."""

    @abstractmethod
    def next_interests_many(
        self, histories: Sequence[History], top: int = 5
    ) -> list[list[tuple[str, float]]]:
        """Return for each history the interests expected next, likeliest first."""

    @abstractmethod
    def _take(self, table: SemanticIdTable) -> None:
        """Answer from now on with the items of another table of the same codebook."""

    @property
    def data(self) -> Dataset:
        """The prepared data."""
        return self._data

    def knows(self, item_id: str) -> bool:
        """Tell whether an item can be recommended."""
        return self.table.knows(item_id)

    def item(self, item_id: str) -> Item:
        """Return a catalogue entry.

        Raises:
            DataError: The item is not in the table.
        """
        self.table.index_of(check_id(item_id, "item_id"))
        return self._entry(item_id) or Item(item_id)

    def codes_of(self, item_id: str) -> SemanticId:
        """Return the semantic ID of an item.

        Raises:
            DataError: The item is not in the table.
        """
        return self.table.codes_of(check_id(item_id, "item_id"))

    def name_of(self, prefix: SemanticId) -> str:
        """Return words for the interest that a semantic-ID prefix is."""
        return self.table.name_of(prefix)

    def recommend(
        self,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        k: int = 10,
        exclude: Collection[str] = (),
        candidates: Collection[str] | None = None,
        at: Moment | None = None,
        event_type: str | None = None,
        filter_seen: bool = True,
        as_of: Moment | None = None,
        without: Collection[int | str] = (),
        interest_bias: Mapping[str | SemanticId, float] | None = None,
    ) -> list[Recommendation]:
        """Recommend exactly ``k`` items to a known user or for a history never seen.

        The last three arguments ask what-if questions: they go back in time, drop events, or
        boost or dampen interests.

        Args:
            user_id: A user of the prepared data.
            events: A history, oldest first; may be empty. Give this or ``user_id``.
            k: How many.
            exclude: Item IDs never to return.
            candidates: Return nothing outside these item IDs.
            at: Moment of asking; None: ``as_of``, else right after the last event.
            event_type: Kind of event to predict; None: that of the last event.
            filter_seen: Whether to leave out the items of the history.
            as_of: Ask as right before this moment: later events are not known.
            without: Events to drop: by number in the whole history (1 the oldest, -1 the newest),
                or all events of an item by its ID.
            interest_bias: Nats added to the log-odds of interests, given by name or by
                semantic-ID prefix. With 1 the odds of an interest rise to 2.7 times.

        Raises:
            ConfigError: An interest bias, of a model that cannot apply it.
            DataError: An unknown user, item, interest or event, or an argument of a wrong type.
            TooFewItems: The filters leave fewer than ``k`` items.
            EngineUnavailable: A remote model gave no answer.
        """
        request = self._request(
            user_id,
            events,
            exclude=exclude,
            candidates=candidates,
            at=at,
            event_type=event_type,
            filter_seen=filter_seen,
            as_of=as_of,
            without=without,
            interest_bias=interest_bias,
        )
        return self.recommend_many([request], k)[0]

    def recommend_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """Recommend exactly ``k`` items for each request; ``rank_many`` returns what there is.

        Raises:
            DataError: As for ``recommend``.
            TooFewItems: As for ``recommend``, of any of the requests.
            EngineUnavailable: A remote model gave no answer to any of them.
        """
        count = check_integer(k, "k")
        if count < 1:
            raise DecodeError(f"k={k}: ask for at least one item")
        for request in requests:
            self.check_enough_items(check_type(request, "request", Request, "a Request"), count)
        return self._answer(requests, count)

    def explain(
        self,
        item_id: str,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Explanation:
        """Explain why an item would be recommended: how each event changes its odds.

        Args:
            item_id: Any item of the catalogue, recommended or not.
            user_id: As for ``recommend``.
            events: As for ``recommend``.
            **options: As for ``recommend``, from ``exclude`` on.

        Raises:
            ConfigError: A model that does not score single items.
            DataError: As for ``recommend``, or an item that the filters forbid.
            EngineUnavailable: A remote model gave no answer.
        """
        request = self._request(user_id, events, **options)
        return self.explain_many([(request, check_id(item_id, "item_id"))])[0]

    def interests(
        self,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        min_evidence: int = MIN_EVIDENCE,
    ) -> Summary:
        """Summarize a user's interests in words that the events support.

        Args:
            user_id: A user of the prepared data.
            events: A history, oldest first. Give this or ``user_id``.
            min_evidence: Fewest events that an interest rests on.

        Raises:
            DataError: An unknown user or item, or an argument of a wrong type.
            EngineUnavailable: A remote model gave no usable answer.
        """
        least = check_count(min_evidence, "min_evidence")
        return self.interests_many([self.history(user_id, events)], least)[0]

    def next_interests(
        self, user_id: str | None = None, events: Iterable[Event] | None = None, top: int = 5
    ) -> list[tuple[str, float]]:
        """Return the coarse interests expected next, with their probabilities."""
        count = check_count(top, "top")
        return self.next_interests_many([self.history(user_id, events)], count)[0]

    def add_items(self, items: Sequence[Item]) -> list[SemanticId]:
        """Give new items the free IDs nearest to them; they can be recommended from now on.

        Returns:
            The ID of each.

        Raises:
            DataError: An item exists already, there is no room, or it is not an ``Item``.
        """
        added = [
            check_type(item, f"items[{n}]", Item, "a genrec.Item")
            for n, item in enumerate(check_collection(items, "items", "items"))
        ]
        self._grow(add_items(self.table, added), added)
        return [self.codes_of(item.item_id) for item in added]

    def restore_items(self, items: Sequence[Item], codes: Sequence[SemanticId]) -> None:
        """Add new items at IDs that they were given before, such as before a restart.

        Raises:
            DataError: An item exists already, or an ID is taken or not of this table.
        """
        self._grow(restore_items(self.table, items, codes), items)

    def remove_items(self, item_ids: Collection[str]) -> None:
        """Retire items: they are not recommended any more, and their IDs become free.

        ``history`` leaves out their events from now on.

        Raises:
            DataError: An item is not in the table, or none would stay.
        """
        removed = check_ids(item_ids, "item_ids")
        self._take(remove_items(self.table, removed))
        self._removed |= set(removed)
        for item_id in removed:
            self._new_items.pop(item_id, None)

    def history(self, user_id: str | None = None, events: Iterable[Event] | None = None) -> History:
        """Return a known user's whole history, or the one that is given (``genrec.events``).

        Raises:
            DataError: An unknown user, or not exactly one of the two was given.
        """
        if (user_id is None) == (events is None):
            raise DataError("give either a known user_id or the events of a history")
        if user_id is not None:
            history = self._data.history(user_id)
        else:
            history = History(NEW_USER, read_events(events))
        if not self._removed:
            return history
        kept = tuple(event for event in history.events if event.item_id not in self._removed)
        return replace(history, events=kept)

    def check_enough_items(self, request: Request, k: int) -> None:
        """Check that a request's filters leave ``k`` items.

        Raises:
            TooFewItems: They leave fewer.
        """
        forbidden, knows = request.forbidden, self.table.knows
        if request.candidates is None:
            left = len(self.table) - sum(map(knows, forbidden))
        else:
            left = sum(map(knows, request.candidates - forbidden))
        if left < k:
            raise TooFewItems(
                f"asked for {k} items, but the filters leave {left} of {len(self.table)}; ask for "
                "fewer or filter less"
            )

    def _request(
        self,
        user_id: str | None,
        events: Iterable[Event] | None,
        exclude: Collection[str] = (),
        candidates: Collection[str] | None = None,
        at: Moment | None = None,
        event_type: str | None = None,
        filter_seen: bool = True,
        as_of: Moment | None = None,
        without: Collection[int | str] = (),
        interest_bias: Mapping[str | SemanticId, float] | None = None,
    ) -> Request:
        """Check what a user passed in, and make a request of it."""
        history = self.history(user_id, events)
        wanted = None if candidates is None else frozenset(check_ids(candidates, "candidates"))
        unwanted = frozenset(check_ids(exclude, "exclude"))
        for item_id in unwanted | (wanted or frozenset()):
            self.table.index_of(item_id)
        if event_type is not None:
            check_text(event_type, "event_type")
        dropped = [
            event if isinstance(event, str) else check_integer(event, "without")
            for event in check_collection(
                () if without is None else without, "without", "event numbers or item IDs"
            )
        ]
        history = history.without(resolve_event_indices(history, dropped))
        moment = None if at is None else to_seconds(at, "at")
        if as_of is not None:
            past = to_seconds(as_of, "as_of")
            history = history.before(past)
            moment = past if moment is None else moment
        return Request(
            history,
            moment,
            event_type,
            unwanted,
            wanted,
            check_flag(filter_seen, "filter_seen"),
            read_interest_bias(self.table, _check_bias(interest_bias)),
        )

    def _answer(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """Rank, or raise ``EngineUnavailable`` for a request that gets no answer."""
        return self.rank_many(requests, k)

    def _entry(self, item_id: str) -> Item | None:
        if item_id in self._new_items:
            return self._new_items[item_id]
        return self._data.find(item_id)

    def _grow(self, table: SemanticIdTable, items: Sequence[Item]) -> None:
        # First, since a table that holds an item must find its words.
        self._new_items.update({item.item_id: item for item in items})
        self._take(table)
        self._removed -= self._new_items.keys()


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
