"""The Python API that every recommender over a prepared data set shares, whatever its model.

A subclass holds an ID table and answers batches of requests or histories. Written here, once:
checking what a user passes in, asking for one user or for many, with rules and preferences.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, Unpack, overload

from genrec.arguments import (
    Moment,
    check_count,
    check_id,
    check_integer,
    check_type,
    is_id,
)
from genrec.base_catalogue import BaseCatalogue
from genrec.chat import (
    ChatAnswer,
    ChatReader,
    ChatState,
    Talker,
    read_messages,
    write_answer,
)
from genrec.data import Dataset
from genrec.errors import ConfigError, DataError, DecodeError
from genrec.events import NEW_USER, read_events
from genrec.feedback import evidence_of
from genrec.frames import answers
from genrec.frames.answers import read_users
from genrec.frames.histories import FrameHistories
from genrec.frames.show import NextInterests, Recommendations
from genrec.interests.explain.deletion import Explanation
from genrec.interests.summary.check import Summary
from genrec.preferences import Steering, read_preferences
from genrec.preferences.feedback import heed_feedback
from genrec.request_options import RequestOptions, make_requests
from genrec.rules import NamedRule, Plan, read_rules
from genrec.rules.lists import Model, rank_under
from genrec.schema import (
    AS_SERVED,
    MIN_EVIDENCE,
    Event,
    History,
    ModelSettings,
    Recommendation,
    Request,
    SemanticId,
)

if TYPE_CHECKING:
    from genrec.decode.prefix_cache import PrefixCache
    from genrec.engines.base import Counted
    from genrec.model.recent_popularity import RecentPopularity


class BaseRecommender(BaseCatalogue):
    """A ``schema.Ranker`` over a catalogue that may grow."""

    name: str
    tilts_interests = True
    """Whether the model's odds of interests can be biased."""

    def __init__(self, data: Dataset, histories: Dataset | FrameHistories | None = None) -> None:
        """Take the prepared data that hold the catalogue and, where others do, the users."""
        super().__init__(data)
        self._histories = data if histories is None else histories
        self._reader: ChatReader | None = None

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

    @abstractmethod
    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """See ``schema.Ranker.rank_many``."""

    def score_many(self, requests: Sequence[Request], item_ids: Sequence[str]) -> list[float]:
        """Return the score of one item for each request; 0 where a model scores no single items."""
        return [0.0] * len(item_ids)

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
    def _prompt(self, request: Request) -> tuple[str, int]:
        """Return what the model reads of a request, and how many tokens it is."""

    @property
    def session_cache(self) -> PrefixCache | None:
        """What is kept of users' prompts in this process; None where nothing is."""
        return None

    @property
    def remembered(self) -> set[str]:
        """Users of whom something is kept to answer faster."""
        return set() if self.session_cache is None else self.session_cache.owners

    def forget(self, user_id: str) -> None:
        """Drop what is kept of a user to answer faster."""
        if self.session_cache is not None:
            self.session_cache.forget(user_id)

    @property
    def popularity(self) -> RecentPopularity | None:
        """What is popular of late, where that counts."""
        return None

    @property
    def counted(self) -> list[Counted]:
        """Transition counts of the heads that may answer, to be exchanged; empty: none here."""
        return []

    def check_model(self, settings: ModelSettings) -> None:
        """Check that a request may ask for such an answer (``Request.model``).

        Raises:
            ConfigError: It may not; the message says why.
        """
        if settings != AS_SERVED:
            raise ConfigError(
                "'answer_with': this model has no adapters, beams or head to choose; leave it out"
            )

    @property
    def data(self) -> Dataset:
        """The prepared data that users are read from; where a frame knows them, the catalogue's."""
        return self._histories if isinstance(self._histories, Dataset) else self._data

    @overload
    def recommend(
        self,
        users: str | None = None,
        events: Iterable[Event] | None = None,
        k: int = 10,
        **options: Unpack[RequestOptions],
    ) -> Recommendations: ...

    @overload
    def recommend(self, users: Any, *, k: int = 10, **options: Unpack[RequestOptions]) -> Any: ...

    def recommend(
        self,
        users: Any = None,
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
        filters: Mapping[str, Any] | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
        preferences: Sequence[Mapping[str, Any]] = (),
        query: str | None = None,
        about: str | None = None,
    ) -> Any:
        """Recommend items: exactly ``k`` to one user, or up to ``k`` to each of many.

        ``as_of``, ``without`` and ``interest_bias`` ask what-if questions: they go back in time,
        drop events, or boost or dampen interests.

        Args:
            users: The ID of a known user. Or many users: a data frame of events (pandas, Polars
                or Arrow; columns of ``schema.EVENT_COLUMNS``), a frame, series or list of known
                users' IDs, or a list of ``History``.
            events: A new user's history, oldest first; may be empty. Give this or ``users``.
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
            filters: What items must be like, by attribute, such as ``{"categories": {"any":
                ["Tea"]}, "price": {"lte": 20}}`` (``genrec.filters.language``).
            rules: What lists must be like, such as ``{"at_most": 2, "per": "brand"}``
                (``genrec.rules.language``). Each list has exactly ``k`` items, many users' too.
            preferences: What the user says of their own profile, such as ``{"less": "Tea"}``
                (``genrec.preferences.language``).
            query: What is looked for, such as "something warm for a winter hike": items for this
                user and this wish.
            about: What the user says of themselves, in place of what is known; addresses and long
                numbers in it are not read.

        Returns:
            For one user a list. For many a frame ``user_id, item_id, score, rank`` of the kind
            that was given (of a list: pandas where it is installed, else Arrow).

        Raises:
            ConfigError: An interest bias, of a model that cannot apply it.
            DataError: An unknown user, item, interest or event, or an argument of a wrong type.
            TooFewItems: The filters leave a single user fewer than ``k`` items, or the rules leave
                anybody no list.
            EngineUnavailable: A remote model gave no answer.
        """
        options = RequestOptions(
            exclude=exclude,
            candidates=candidates,
            at=at,
            event_type=event_type,
            filter_seen=filter_seen,
            as_of=as_of,
            without=without,
            interest_bias=interest_bias,
            filters=filters,
            preferences=preferences,
            query=query,
            about=about,
        )
        if _is_one(users):
            requests = [self._request(users, events, **options)]
            named = self._rules_of(rules, preferences, requests, k)
            return Recommendations(self._recommend_under(requests, k, named)[0])
        _check_alone(events)
        asked = read_users(users, self._look_up)
        requests = self._requests(asked.histories, **options)
        named = self._rules_of(rules, preferences, requests, k)
        rank = partial(self._recommend_under, named=named) if named else self._answer
        return answers.recommendations(requests, k, rank, asked.kind)

    def chat(
        self,
        messages: str | Sequence[Mapping[str, str]],
        user: str | None = None,
        events: Iterable[Event] | None = None,
        k: int = 5,
        state: ChatState | Mapping[str, Any] | None = None,
        talker: Talker | None = None,
        **options: Unpack[RequestOptions],
    ) -> ChatAnswer:
        """Answer the next turn of a conversation: items under all that was said so far.

        What is surely said ("cheaper", "not that brand", "only Acme, under 20") holds from then on;
        other words are looked for. Nothing is kept here: give back the state of the last answer.

        Args:
            messages: What the user says now, or all messages as ``{"role", "content"}``; without
                a state, all of the user's are read.
            user: The ID of a known user. Give this or ``events``.
            events: A new user's history; may be empty.
            k: How many items; fewer where what was said leaves fewer.
            state: Of the answer before; None: the conversation begins.
            talker: A chat model that introduces the answer (``genrec.zero_shot.talk.Talker``).
            **options: As for ``recommend``, such as ``about``; ``query`` is said in the messages.

        Raises:
            DataError: As for ``recommend``, or a message or a state that cannot be read.
            EngineUnavailable: A remote model gave no answer.
        """
        count = check_count(k, "k")
        spoken = read_messages(messages)
        said, unread = self.chat_reader.read_all(spoken, state)
        asked = said.ask(options)
        request = self._request(user, events, **asked)
        left = min(count, self.table.num_left(request))
        items = self.recommend_many([request], left)[0] if left else []
        answer = write_answer(items, count, said, unread)
        return answer if talker is None else talker.introduce(answer, spoken, self.chat_reader)

    def recommend_many(
        self, requests: Sequence[Request], k: int, plan: Plan | None = None
    ) -> list[list[Recommendation]]:
        """Recommend exactly ``k`` items for each request; ``rank_many`` returns what there is.

        Args:
            requests: What is asked.
            k: How many.
            plan: Rules that each list keeps.

        Raises:
            DataError: As for ``recommend``.
            TooFewItems: As for ``recommend``, of any of the requests.
            EngineUnavailable: A remote model gave no answer to any of them.
        """
        count = check_integer(k, "k")
        if count < 1:
            raise DecodeError(f"k={k}: ask for at least one item")
        for request in requests:
            check_type(request, "request", Request, "a Request")
        if plan is not None:
            model = Model(self._answer, self.score_many, self._recommendation)
            return rank_under(plan, requests, count, model)
        for request in requests:
            self.table.check_enough(request, count)
        return self._answer(requests, count)

    @property
    def chat_reader(self) -> ChatReader:
        """What reads messages about the catalogue as it is now."""
        if self._reader is None or self._reader.attributes is not self.attributes:
            self._reader = ChatReader(self.attributes)
        return self._reader

    def heed(self, request: Request) -> Request:
        """Return the request as the graded events of its history want it (``genrec.feedback``)."""
        return heed_feedback(request, self.table, self.tilts_interests)

    def steering(self, preferences: Sequence[Mapping[str, Any]]) -> Steering:
        """Bring preferences to the catalogue.

        Raises:
            DataError: One cannot be read, is about what does not exist, or contradicts another.
        """
        return Steering(read_preferences(preferences), self.attributes)

    def explain(
        self,
        item_id: str,
        users: Any = None,
        events: Iterable[Event] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Any:
        """Explain why an item would be recommended: how each event changes its odds.

        Args:
            item_id: Any item of the catalogue, recommended or not.
            users: As for ``recommend``.
            events: As for ``recommend``.
            **options: As for ``recommend``, from ``exclude`` on.

        Returns:
            For one user an ``Explanation``, for many a frame: a row for each user and event.

        Raises:
            ConfigError: A model that does not score single items.
            DataError: As for ``recommend``, or an item that the filters forbid.
            EngineUnavailable: A remote model gave no answer.
        """
        asked_item = check_id(item_id, "item_id")
        if _is_one(users):
            return self.explain_many([(self._request(users, events, **options), asked_item)])[0]
        _check_alone(events)
        asked = read_users(users, self._look_up)
        questions = [
            (request, asked_item) for request in self._requests(asked.histories, **options)
        ]
        return answers.explanations(questions, self.explain_many, asked.kind)

    def interests(
        self,
        users: Any = None,
        events: Iterable[Event] | None = None,
        min_evidence: int = MIN_EVIDENCE,
    ) -> Any:
        """Summarize users' interests in words that the events support.

        Args:
            users: As for ``recommend``.
            events: As for ``recommend``.
            min_evidence: Fewest events that an interest rests on.

        Returns:
            For one user a ``Summary``, for many a frame: a row for each user and interest.

        Raises:
            DataError: An unknown user or item, or an argument of a wrong type.
            EngineUnavailable: A remote model gave no usable answer.
        """
        least = check_count(min_evidence, "min_evidence")
        if _is_one(users):
            return self.interests_many([evidence_of(self.history(users, events))], least)[0]
        _check_alone(events)
        asked = read_users(users, self._look_up)
        return answers.summaries(
            [evidence_of(history) for history in asked.histories],
            lambda some: self.interests_many(some, least),
            asked.kind,
        )

    def next_interests(
        self, user_id: str | None = None, events: Iterable[Event] | None = None, top: int = 5
    ) -> NextInterests:
        """Return the coarse interests expected next, with their probabilities."""
        count = check_count(top, "top")
        history = evidence_of(self.history(user_id, events))
        return NextInterests(self.next_interests_many([history], count)[0])

    def prompt(
        self,
        user_id: str | None = None,
        events: Iterable[Event] | None = None,
        at: Moment | None = None,
        event_type: str | None = None,
        query: str | None = None,
        about: str | None = None,
    ) -> tuple[str, int]:
        """Return exactly what the model reads before it names an item, and how many tokens."""
        options = RequestOptions(at=at, event_type=event_type, query=query, about=about)
        return self._prompt(self._request(user_id, events, **options))

    def history(self, user_id: str | None = None, events: Iterable[Event] | None = None) -> History:
        """Return a known user's whole history, or the one that is given (``genrec.events``).

        Raises:
            DataError: An unknown user, or not exactly one of the two was given.
        """
        if (user_id is None) == (events is None):
            raise DataError("give either a known user_id or the events of a history")
        if user_id is not None:
            history = self._histories.history(user_id)
        else:
            history = History(NEW_USER, read_events(events))
        return self._without_removed(history)

    def _request(
        self,
        user_id: str | None,
        events: Iterable[Event] | None,
        /,
        **options: Unpack[RequestOptions],
    ) -> Request:
        """Check what a user passed in, and make a request of it."""
        return self._requests([self.history(user_id, events)], **options)[0]

    def _requests(
        self, histories: Sequence[History], /, **options: Unpack[RequestOptions]
    ) -> list[Request]:
        requests = make_requests(histories, self.table, lambda: self.attributes, options)
        return [self.heed(request) for request in requests]

    def _rules_of(
        self,
        rules: Sequence[Mapping[str, Any]],
        preferences: Sequence[Mapping[str, Any]],
        requests: Sequence[Request],
        k: int,
    ) -> list[NamedRule]:
        named = read_rules(rules)
        if len(preferences):
            named += self.steering(preferences).rules(requests, check_count(k, "k"))
        return named

    def _recommend_under(
        self, requests: Sequence[Request], k: int, named: Sequence[NamedRule]
    ) -> list[list[Recommendation]]:
        """Recommend under the rules that hold for each user, who may be in an arm."""
        places: dict[tuple[NamedRule, ...], list[int]] = defaultdict(list)
        for place, request in enumerate(requests):
            user_id = request.history.user_id
            places[tuple(rule for rule in named if rule.holds_for(user_id))].append(place)
        found: dict[int, list[Recommendation]] = {}
        for held, some in places.items():
            plan = self.plan(held) if held else None
            if plan is not None:
                self.check_model(plan.model)
            lists = self.recommend_many([requests[place] for place in some], k, plan)
            found |= zip(some, lists, strict=True)
        return [found[place] for place in range(len(requests))]

    def _look_up(self, user_ids: Sequence[str]) -> dict[str, History]:
        """Return the histories of those who are known; many are read in one pass."""
        wanted = frozenset(user_ids)
        found = (
            history
            for history in self._histories.histories("test", feedback=True)
            if history.user_id in wanted
        )
        known = {history.user_id: self._without_removed(history) for history in found}
        for user_id in wanted - known.keys():
            if (about := self._histories.descriptions.get(user_id)) is not None:
                known[user_id] = History(user_id, (), about=about)
        return known

    def _without_removed(self, history: History) -> History:
        if not self._removed:
            return history
        kept = tuple(event for event in history.events if event.item_id not in self._removed)
        return replace(history, events=kept)

    def _answer(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """Rank, or raise ``EngineUnavailable`` for a request that gets no answer."""
        return self.rank_many(requests, k)


def _is_one(users: Any) -> bool:
    return users is None or is_id(users)


def _check_alone(events: Any) -> None:
    if events is not None:
        raise DataError("give either users or the events of one new user, not both")
