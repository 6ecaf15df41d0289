"""What every recommender over a prepared data set offers a Python user, whatever model it asks.

A subclass holds an ID table and answers many requests or histories at once; asking for one, looking
items up and letting new ones in is written here, once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from genrec.data import Dataset
from genrec.errors import DataError, DecodeError
from genrec.interests.counterfactual import find_places, read_interest_bias
from genrec.interests.explain.deletion import Explanation
from genrec.interests.profile.interests import MIN_EVIDENCE
from genrec.interests.summary.check import Summary
from genrec.schema import Event, History, Item, Recommendation, Request, SemanticId
from genrec.semantic_ids.extend import add_items, place_items
from genrec.semantic_ids.table import SemanticIdTable

NEW_USER = "new user"


class BaseRecommender(ABC):
    """A ``schema.Ranker`` over a catalogue that may grow."""

    name: str

    def __init__(self, data: Dataset) -> None:
        """Take the prepared data."""
        self._data = data
        self._new_items: dict[str, Item] = {}

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
        self.table.index_of(item_id)
        return self._entry(item_id) or Item(item_id)

    def codes_of(self, item_id: str) -> SemanticId:
        """Return the semantic ID of an item.

        Raises:
            DataError: The item is not in the table.
        """
        return self.table.codes_of(item_id)

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
        at: int | None = None,
        event_type: str | None = None,
        filter_seen: bool = True,
        as_of: int | None = None,
        without: Collection[int | str] = (),
        interest_bias: Mapping[str | SemanticId, float] | None = None,
    ) -> list[Recommendation]:
        """Recommend ``k`` items to a known user or for a history never seen.

        What-if: at a past moment (``as_of``), without an event, or with an interest turned up or
        down.

        Args:
            user_id: A user of the prepared data.
            events: A history, oldest first; may be empty. Give this or ``user_id``.
            k: How many.
            exclude: Item IDs never to return.
            candidates: Return nothing outside these item IDs.
            at: Moment of asking, seconds; None: ``as_of``, else right after the last event.
            event_type: Kind of act to foresee; None: that of the last event.
            filter_seen: Whether to leave out the items of the history.
            as_of: Ask as right before this moment, seconds: later events are not known.
            without: Events left out, as if they had never been: by number in the whole history
                (1 the oldest, -1 the newest), or all events of an item by its ID.
            interest_bias: Nats by which interests are turned up or, below 0, down: by name or by
                semantic-ID prefix. With 1 the odds of an interest rise to 2.7 times.

        Raises:
            ConfigError: An interest bias, of a model that cannot be tilted.
            DataError: An unknown user, item, interest or place.
            DecodeError: The filters leave fewer than ``k`` items.
            EngineUnavailable: A model elsewhere gave no answer.
        """
        if k < 1:
            raise DecodeError(f"k={k}: ask for at least one item")
        history = self.history(user_id, events)
        request = self._request(history, at, event_type, exclude, candidates, filter_seen)
        return self._recommend_one(self._what_if(request, as_of, without, interest_bias), k)

    def explain(
        self,
        item_id: str,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        exclude: Collection[str] = (),
        candidates: Collection[str] | None = None,
        at: int | None = None,
        event_type: str | None = None,
        filter_seen: bool = True,
        as_of: int | None = None,
        without: Collection[int | str] = (),
        interest_bias: Mapping[str | SemanticId, float] | None = None,
    ) -> Explanation:
        """Say why an item would be recommended: what each event of the history does to its odds.

        Args:
            item_id: Any item of the catalogue, recommended or not.
            user_id: As for ``recommend``, and so are all others.
            events: See ``recommend``.
            exclude: See ``recommend``.
            candidates: See ``recommend``.
            at: See ``recommend``.
            event_type: See ``recommend``.
            filter_seen: See ``recommend``.
            as_of: See ``recommend``.
            without: See ``recommend``.
            interest_bias: See ``recommend``.

        Raises:
            ConfigError: A model that tells no odds of an item.
            DataError: An unknown user, item, interest or place, or an item that the filters forbid.
            EngineUnavailable: A model elsewhere gave no answer.
        """
        history = self.history(user_id, events)
        request = self._request(history, at, event_type, exclude, candidates, filter_seen)
        return self.explain_many(
            [(self._what_if(request, as_of, without, interest_bias), item_id)]
        )[0]

    def interests(
        self,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        min_evidence: int = MIN_EVIDENCE,
    ) -> Summary:
        """Say what a user cares about, in words that the events support.

        Args:
            user_id: A user of the prepared data.
            events: A history, oldest first. Give this or ``user_id``.
            min_evidence: Fewest events that an interest rests on.

        Raises:
            DataError: An unknown user or item.
            EngineUnavailable: A model elsewhere gave no usable answer.
        """
        return self.interests_many([self.history(user_id, events)], min_evidence)[0]

    def next_interests(
        self, user_id: str | None = None, events: Iterable[Event] | None = None, top: int = 5
    ) -> list[tuple[str, float]]:
        """Return the coarse interests expected next, with their probabilities."""
        return self.next_interests_many([self.history(user_id, events)], top)[0]

    def add_items(self, items: Sequence[Item]) -> list[SemanticId]:
        """Give new items the free IDs nearest to them; they can be recommended from now on.

        Returns:
            The ID of each.

        Raises:
            DataError: An item is there already, or there is no room.
        """
        self._grow(add_items(self.table, items), items)
        return [self.codes_of(item.item_id) for item in items]

    def place_items(self, items: Sequence[Item], codes: Sequence[SemanticId]) -> None:
        """Add new items at IDs that they were given before.

        Raises:
            DataError: An item is there already, or an ID is taken or none of the table's.
        """
        self._grow(place_items(self.table, items, codes), items)

    def history(self, user_id: str | None, events: Iterable[Event] | None) -> History:
        """Return a known user's whole history, or the events given.

        Raises:
            DataError: An unknown user, or not one of the two was given.
        """
        if (user_id is None) == (events is None):
            raise DataError("give either a known user_id or the events of a history")
        if user_id is not None:
            return self._data.history(user_id)
        assert events is not None
        return History(NEW_USER, tuple(events))

    def _request(
        self,
        history: History,
        at: int | None,
        event_type: str | None,
        exclude: Collection[str],
        candidates: Collection[str] | None,
        filter_seen: bool,
    ) -> Request:
        for item_id in {*exclude, *(candidates or ())}:
            self.table.index_of(item_id)
        wanted = None if candidates is None else frozenset(candidates)
        return Request(history, at, event_type, frozenset(exclude), wanted, filter_seen)

    def _what_if(
        self,
        request: Request,
        as_of: int | None,
        without: Collection[int | str],
        interest_bias: Mapping[str | SemanticId, float] | None,
    ) -> Request:
        history = request.history.without(find_places(request.history, without))
        at = request.at
        if as_of is not None:
            history = history.before(as_of)
            at = as_of if at is None else at
        return replace(
            request,
            history=history,
            at=at,
            interest_bias=read_interest_bias(self.table, interest_bias or {}),
        )

    def _recommend_one(self, request: Request, k: int) -> list[Recommendation]:
        return self._checked(self.rank_many([request], k)[0], k)

    def _checked(self, found: list[Recommendation], k: int) -> list[Recommendation]:
        """Return what was found.

        Raises:
            DecodeError: It is less than was asked for.
        """
        if len(found) < k:
            raise DecodeError(
                f"asked for {k} items, but the filters leave {len(found)} of "
                f"{len(self.table)}; ask for fewer or filter less"
            )
        return found

    def _entry(self, item_id: str) -> Item | None:
        if item_id in self._new_items:
            return self._new_items[item_id]
        place = self._data.item_index.get(item_id)
        return None if place is None else self._data.items[place]

    def _grow(self, table: SemanticIdTable, items: Sequence[Item]) -> None:
        self._take(table)
        self._new_items.update({item.item_id: item for item in items})
