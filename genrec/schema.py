"""The nouns every stage speaks, and the column names of every table, once.

Imports nothing of ours but how things look in a notebook.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal, Protocol

from genrec.display import HtmlRepr, ShortRepr, Table, day

USER_ID = "user_id"
ITEM_ID = "item_id"
TIMESTAMP = "timestamp"
EVENT_TYPE = "event_type"
RATING = "rating"
TITLE = "title"
REVIEW = "review"
SPLIT = "split"
BRAND = "brand"
CATEGORIES = "categories"
DESCRIPTION = "description"
TEXT = "text"
ATTRIBUTES = "attributes"
ABOUT = "about"

SEARCH = "search"
"""The event type of a search: a text, and no item."""
SEARCHES = (SEARCH, "searched", "search_query", "site_search", "view_search_results")
"""What logs call it, in small letters."""

EVENT_COLUMNS = (USER_ID, ITEM_ID, TIMESTAMP, EVENT_TYPE, RATING, TITLE, REVIEW)
ITEM_COLUMNS = (ITEM_ID, TITLE, BRAND, CATEGORIES, DESCRIPTION)

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
"""In the order of time: what is known when asking about a split is every split before it."""

FEEDBACK = "feedback"
"""Where the splits stand: an event against its item, which is of none of them."""

AskAt = Literal["target", "last"]
"""When an evaluation asks: as its target event happens, or right after the last event before."""

Turned = Literal["more", "less"]
"""What a user may want of an interest beside none of it."""

Likeness = Literal["both", "text", "behaviour"]
"""By what items are alike: their words, what is done with them, or both."""

SemanticId = tuple[int, ...]
"""Codes of one item, coarse to fine. A shorter tuple is a prefix: an interest."""

Attribute = str | int | float | bool | tuple[str, ...]
"""A value that a filter can ask for; several of one name are a tuple of texts."""


LANGUAGE_MODEL = "language model"
SASREC = "SASRec"
TRANSITIONS = "transitions"
TEXT_MATCH = "text"
WISH = "wish"
POPULARITY = "popularity"
NEW_ITEM = "new item"
PREFERENCES = "preferences"
RULE = "rule"
EXPLORATION = "exploration"
"""Who says that an item should be recommended: scorers, and what else may bring it."""

PUNCTUATION = ".!?…:;,。！？।؟"


@dataclass(frozen=True, slots=True, repr=False)
class Event(ShortRepr):
    """One user–item act.

    Attributes:
        user_id: External ID.
        item_id: External ID.
        timestamp: Seconds since 1970-01-01 UTC.
        event_type: Such as "view" or "purchase"; known before the item is.
        rating: As the user gave it; known only after the item.
        title: Headline of the review.
        review: Text of the review, as the user wrote it (untrusted).
    """

    user_id: str
    item_id: str
    timestamp: int
    event_type: str | None = None
    rating: float | None = None
    title: str | None = None
    review: str | None = None

    @property
    def opinion(self) -> str | None:
        """Headline and review as one text; None where the user wrote neither."""
        title, review = (self.title or "").strip(), (self.review or "").strip()
        if not title or not review:
            return title or review or None
        # Needs no full stop after it, in any script.
        return title + (" " if title[-1] in PUNCTUATION else ". ") + review


@dataclass(frozen=True, slots=True, repr=False)
class Item(ShortRepr):
    """One catalogue entry.

    Attributes:
        item_id: External ID.
        title: Name shown to people.
        brand: Maker or author.
        categories: Coarse to fine.
        description: Long text.
        text: Every other column of the input, as lines "name: value": words to read.
        attributes: The same columns by name, as values that filters compare.
    """

    item_id: str
    title: str | None = None
    brand: str | None = None
    categories: tuple[str, ...] = ()
    description: str | None = None
    text: str | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """What to print for the item: its title, else brand and finest category, else its ID."""
        described = " · ".join(part for part in (self.brand, *self.categories[-1:]) if part)
        return self.title or described or self.item_id


@dataclass(frozen=True, slots=True, repr=False)
class Search(ShortRepr):
    """What somebody typed into a search field.

    Attributes:
        timestamp: Seconds since 1970-01-01 UTC.
        text: As the user wrote it (untrusted).
    """

    timestamp: int
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class History(ShortRepr, HtmlRepr):
    """A user's events, oldest first, and what they searched for, likewise.

    A search comes before the events later than itself: one of the same second as an event may as
    well have been made after it, and must tell nothing of it.

    ``about`` is how users describe themselves, in their own words (untrusted); it has no moment,
    and is known at all of them.
    """

    user_id: str
    events: tuple[Event, ...]
    searches: tuple[Search, ...] = ()
    about: str | None = None

    def _shown(self) -> Iterator[Table]:
        rows = (
            (
                day(event.timestamp),
                event.event_type or "",
                event.item_id,
                "" if event.rating is None else f"{event.rating:g}",
                event.opinion or "",
            )
            for event in self.events
        )
        header = ("day", "event", "item_id", "rating", "review")
        yield Table(header, rows, f"{len(self.events)} events of {self.user_id}")

    def before(self, moment: int) -> History:
        """Return what was known right before a moment, in seconds; its own events are not."""
        return replace(
            self,
            events=tuple(event for event in self.events if event.timestamp < moment),
            searches=tuple(search for search in self.searches if search.timestamp < moment),
        )

    def last(self, count: int) -> History:
        """Return the newest events, and the searches since the first of them; count is positive."""
        events = self.events[-count:]
        since = events[0].timestamp if events else 0
        return History(
            self.user_id,
            events,
            tuple(search for search in self.searches if search.timestamp >= since),
        )

    def without(self, places: Collection[int]) -> History:
        """Return the history as if some events had never been; 0 is the oldest event.

        Nor had been the searches that led to them: else an old one would be what is looked for now.
        """
        left_out = frozenset(places)
        led_elsewhere = chain.from_iterable(
            searches
            for place, searches in enumerate(self.searches_before())
            if place not in left_out
        )
        return History(
            self.user_id,
            tuple(event for place, event in enumerate(self.events) if place not in left_out),
            (*led_elsewhere, *self.open_searches),
            self.about,
        )

    def searches_before(self) -> list[tuple[Search, ...]]:
        """Return for each event the searches that led to it: those since the one before."""
        if not self.searches:
            return [()] * len(self.events)
        times = [search.timestamp for search in self.searches]
        ends = [bisect_left(times, event.timestamp) for event in self.events]
        return [self.searches[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    @property
    def open_searches(self) -> tuple[Search, ...]:
        """Searches that no event followed yet, oldest first."""
        return tuple(
            search
            for search in self.searches
            if not self.events or search.timestamp >= self.events[-1].timestamp
        )


@dataclass(frozen=True, slots=True, repr=False)
class Example(ShortRepr):
    """A question with its answer held out.

    Attributes:
        history: What is known when the question is asked.
        targets: The events that then happened, oldest first; never empty.
    """

    history: History
    targets: tuple[Event, ...]


@dataclass(frozen=True, slots=True, repr=False)
class ModelSettings(ShortRepr):
    """How the model is to answer one request; None: as it answers all others.

    Attributes:
        adapter: Name of an adapter that is loaded.
        num_beams: Width of the search; at least the number of items asked for is used.
        sasrec_weight: Weight of the SASRec head, 0 to 1.
    """

    adapter: str | None = None
    num_beams: int | None = None
    sasrec_weight: float | None = None


AS_SERVED = ModelSettings()


@dataclass(frozen=True, slots=True, repr=False)
class Request(ShortRepr):
    """A wish for recommendations.

    Attributes:
        history: May be empty (a new user).
        at: Moment of asking, seconds; None: the moment of the last event.
        event_type: Kind of act to predict; None: the kind of the last event.
        exclude: Item IDs never to return.
        candidates: Return nothing outside these item IDs; None: the whole catalogue. A set that
            several requests share is best one object.
        filter_seen: Whether to leave out the items of the history.
        interest_bias: Nats added to the log-odds of interests (semantic-ID prefixes): the
            odds of each among its siblings are multiplied by e to that power. Heeded by the
            language model; baselines know no interests.
        query: What the user says to be looking for, in their own words (untrusted); None: nothing.
            Heeded by the language model.
        turned: Interests that the user wants more or less of, by as much as their own odds need
            (``genrec.rules.turning``), beside any bias.
        model: How it wants the model to answer. Heeded by the language model.
        now: The present, seconds, for what is popular of late: a user may be asked about as of
            their last event, which may be long ago. None: the moment of asking.
    """

    history: History
    at: int | None = None
    event_type: str | None = None
    exclude: frozenset[str] = frozenset()
    candidates: Set[str] | None = None
    filter_seen: bool = True
    interest_bias: Mapping[SemanticId, float] = field(default_factory=dict, hash=False)
    query: str | None = None
    turned: Mapping[SemanticId, Turned] = field(default_factory=dict, hash=False)
    model: ModelSettings = AS_SERVED
    now: int | None = None

    @property
    def searches(self) -> tuple[Search, ...]:
        """What was searched for since the last event; the query counts as searched for now."""
        found = self.history.open_searches
        if self.query is None:
            return found
        latest = found[-1:] or self.history.events[-1:]
        known = latest[0].timestamp if latest else 0
        return (*found, Search(known if self.at is None else self.at, self.query))

    @property
    def present(self) -> int | None:
        """When it is, seconds: ``now``, else the moment of asking; None: nothing says so."""
        moment = self.at if self.now is None else self.now
        if moment is not None:
            return moment
        return self.history.events[-1].timestamp if self.history.events else None

    @property
    def wish(self) -> str | None:
        """What is looked for right now: the query, else the newest search since the last event."""
        return self.searches[-1].text if self.searches else None

    @property
    def forbidden(self) -> frozenset[str]:
        """Item IDs never to return, those of the history among them unless they may come again."""
        seen = (event.item_id for event in self.history.events) if self.filter_seen else ()
        return self.exclude.union(seen)


@dataclass(frozen=True, slots=True)
class Draw:
    """How chance put an item in its place (``genrec.experiments.exploration``).

    Attributes:
        propensity: Probability of the item at its rank, given those above it.
        place: Its rank in the ranking that chance changed, from 1.
        rate: Share of ranks at which chance chooses.
        candidates: How long that ranking was.
    """

    propensity: float
    place: int
    rate: float
    candidates: int


@dataclass(frozen=True, slots=True, repr=False)
class Recommendation(ShortRepr):
    """One returned item.

    Attributes:
        item_id: External ID.
        rank: Starts at 1.
        score: Higher is better; for the language model the summed log-probability in nats.
        title: For people.
        semantic_id: Codes of the item; empty where the recommender knows none.
        parts: Nats that each scorer adds to the score, beside an average item of the catalogue;
            empty where the recommender does not say. They differ between items as the scores do,
            but for what normalising among siblings changes.
        placed_by: What put it in its place whatever its score, such as a rule that pins it.
        draw: How chance put it in its place; None: there was no chance in it.
    """

    item_id: str
    rank: int
    score: float
    title: str | None = None
    semantic_id: SemanticId = ()
    parts: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)
    placed_by: str | None = None
    draw: Draw | None = field(default=None, compare=False)

    @property
    def brought_by(self) -> str | None:
        """What placed it, else the scorer that adds most; None where the recommender does not say.

        Examples:
            >>> parts = {"language model": 2.5, "transitions": 3.0}
            >>> Recommendation("P1", 1, -0.5, parts=parts).brought_by
            'transitions'
        """
        return self.placed_by or max(self.parts, key=lambda name: self.parts[name], default=None)


Trend = Literal["emerging", "steady", "fading", "returned"]


MIN_EVIDENCE = 2
"""Events that an interest rests on at least, unless something else is asked for."""


@dataclass(frozen=True, slots=True, repr=False)
class Interest(ShortRepr):
    """A named group of items (a semantic-ID prefix) a user cares about, with its evidence.

    Attributes:
        name: Words for the prefix.
        prefix: Semantic-ID prefix.
        weight: Share of the user's attention, 0 to 1.
        trend: How the weight moves.
        p_value: Probability of such a trend in a random order of the same events; 1 if steady.
        first_seen: Seconds.
        last_seen: Seconds.
        peak: Moment its weight was highest, seconds.
        evidence: The events that support it, oldest first.
    """

    name: str
    prefix: SemanticId
    weight: float
    trend: Trend
    p_value: float
    first_seen: int
    last_seen: int
    peak: int
    evidence: tuple[Event, ...] = field(repr=False, default=())


class Ranker(Protocol):
    """Anything that answers requests with items: the language model and every baseline."""

    name: str

    def rank_many(self, requests: Sequence[Request], k: int) -> list[list[Recommendation]]:
        """Rank items for each request.

        A ranking ends where the items do, so that an evaluation can rank any catalogue to any
        depth; who asks for recommendations (``Recommender``, command line, HTTP) gets exactly
        ``k`` or ``TooFewItems``.

        Returns:
            For each request ``k`` distinct items, best first; fewer only where the request's
            filters leave fewer.
        """
        ...
