"""Streams to tokens, segment by segment, and requests to prompts.

Enters: a renderer and any Hugging Face tokenizer that holds our vocabulary. Leaves: token IDs.
Training (``samples``) and serving (``prompts``) both come through here. What of a long history a
prompt holds, ``windows`` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, NamedTuple

from genrec.errors import DataError, PromptError
from genrec.schema import Event, History, Request, Search, SemanticId
from genrec.stream.render import Renderer, bucket
from genrec.stream.sessions import Sessions
from genrec.stream.sid_text import sid_text
from genrec.stream.templates import ITEM_MARKER
from genrec.stream.windows import Segment, View, list_views

_CACHED_ITEMS = 100_000
_CACHED_PHRASES = 10_000


@dataclass(frozen=True)
class Encoder:
    """Tokenizes streams.

    Attributes:
        renderer: Writes the text.
        tokenizer: A Hugging Face tokenizer with the markers and semantic-ID tokens added.
        context_tokens: Longest sequence the model is trained on.
        reads_searches: Whether searches and wishes are written into the stream. To a model that
            was not trained on any they are noise, which costs more than they tell.
        reads_about: The same of what users say of themselves.
        sessions: Keeps what it tokenized of users; None: nothing is kept.
    """

    renderer: Renderer
    tokenizer: Any
    context_tokens: int
    reads_searches: bool = False
    reads_about: bool = False
    sessions: Sessions | None = None

    @cached_property
    def segment_limit(self) -> int:
        """Most tokens of one event; what exceeds it is cut from the review's end."""
        return self.context_tokens // 4

    @cached_property
    def event_limit(self) -> int:
        """Most tokens of past events in a prompt; the rest is room for the answer."""
        return self.context_tokens - self.segment_limit - len(self.header) - self.about_limit

    @cached_property
    def about_limit(self) -> int:
        """Most tokens of a user's description; as many are kept free where there is none."""
        return self.segment_limit // 2 if self.reads_about else 0

    @cached_property
    def header(self) -> list[int]:
        """The tokens that open every stream."""
        return self.tokenize([self.renderer.header()])[0]

    @cached_property
    def opening(self) -> int:
        """The token after which an item is written."""
        return self.tokenize([ITEM_MARKER])[0][0]

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Tokenize each text by itself, without beginning or end tokens."""
        # The Rust tokenizer itself: Hugging Face's wrapper costs three times its work here.
        backend = self.tokenizer.backend_tokenizer
        encodings = backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def segments(self, histories: Sequence[History]) -> list[list[Segment]]:
        """Tokenize every event of every history, each by itself.

        Raises:
            DataError: An event's item is not in the table.
            PromptError: Quoted text produced a special token (a tokenizer with tokens that the
                quoting does not know).
        """
        steps = [tuple(_steps(self._as_read(history))) for history in histories]
        if self.sessions is None:
            return self._tokenize_steps(steps)
        users = [history.user_id for history in histories]
        known = [
            self.sessions.find(user_id, self.renderer, own)
            for user_id, own in zip(users, steps, strict=True)
        ]
        new = self._tokenize_steps(
            [own[len(begun) :] for own, begun in zip(steps, known, strict=True)]
        )
        whole = [begun + rest for begun, rest in zip(known, new, strict=True)]
        for user_id, own, segments, rest in zip(users, steps, whole, new, strict=True):
            if rest:
                self.sessions.keep(user_id, self.renderer, own, segments)
        return whole

    def _tokenize_steps(self, steps: Sequence[Sequence[_Step]]) -> list[list[Segment]]:
        reviewed = [step for own in steps for step in own if step.event.opinion]
        reviews = iter(
            self.tokenize([self.renderer.event(step.event, step.latest) for step in reviewed])
        )
        return [
            [
                self._segment(step, next(reviews) if step.event.opinion else self._plain(step))
                for step in own
            ]
            for own in steps
        ]

    def _plain(self, step: _Step) -> list[int]:
        """Tokenize an event without a review: all but its item is written alike in many events."""
        event = step.event
        gap = bucket(step.latest, event.timestamp)
        before, after = self._around_item(gap, event.event_type, event.rating)
        return [*before, *self._item(self.renderer.table.codes_of(event.item_id)), *after]

    @cached_property
    def _around_item(self) -> Callable[..., tuple[list[int], list[int]]]:
        """Return the tokens before and after the item, by all that they are written from."""

        def tokenize(
            gap: str, event_type: str | None, rating: float | None
        ) -> tuple[list[int], list[int]]:
            # Special tokens cut a text, so that what stands around one does not depend on it.
            item = (0,) * self.renderer.table.num_levels
            text = self.renderer.segment(gap, sid_text(item), event_type, rating)
            tokens = self.tokenize([text])[0]
            place = tokens.index(self.opening) + 1
            return tokens[:place], tokens[place + len(item) :]

        return lru_cache(_CACHED_PHRASES)(tokenize)

    @cached_property
    def _item(self) -> Callable[[SemanticId], list[int]]:
        """Return the tokens of a semantic ID."""
        return lru_cache(_CACHED_ITEMS)(lambda codes: self.tokenize([sid_text(codes)])[0])

    def _segment(self, step: _Step, tokens: list[int]) -> Segment:
        """Put the words of an event's item behind its ID, its searches before it; cut the end."""
        event, num_levels = step.event, self.renderer.table.num_levels
        special = self.special_ids
        # A segment holds one marker and one token per level; anything more came from user text.
        if sum(token in special for token in tokens[: self.segment_limit]) != 1 + num_levels:
            raise PromptError(
                f"the text of event {event.item_id} of user {event.user_id} produced a "
                "special token or none of its item; use a tokenizer whose special tokens "
                "are written with '<'"
            )
        after_item = tokens.index(self.opening) + 1 + num_levels
        searches = self._search_lines(step.searches, step.previous)
        if len(searches) + after_item > self.segment_limit:
            searches = []
        tokens, after_item = searches + tokens, len(searches) + after_item
        words = self._words(event.item_id)
        if after_item + len(words) > self.segment_limit:
            words = []
        whole = [*tokens[:after_item], *words, *tokens[after_item:]][: self.segment_limit]
        return Segment(whole, after_item, after_item + len(words))

    def as_title(self, segment: Segment, item_id: str) -> Segment | None:
        """Return an event with its item's title instead of ID and words; None where there is none.

        Args:
            segment: The event.
            item_id: Its item.

        Returns:
            An event whose title cannot be taken from it as words can. None, too, where the title
            does not fit.
        """
        before = segment.tokens[: segment.tokens.index(self.opening)]
        title = self._title(item_id)
        end = len(before) + len(title)
        if not title or end > self.segment_limit:
            return None
        whole = [*before, *title, *segment.tokens[segment.after_words :]]
        return Segment(whole[: self.segment_limit], end, end)

    @cached_property
    def _title(self) -> Callable[[str], list[int]]:
        def tokenize(item_id: str) -> list[int]:
            tokens = self.tokenize([self.renderer.title(item_id)])[0]
            # The marker alone; should a tokenizer make more of a title, better no title.
            is_safe = sum(token in self.special_ids for token in tokens) == 1
            return tokens if is_safe else []

        return lru_cache(_CACHED_ITEMS)(tokenize)

    def _as_read(self, history: History) -> History:
        """Return a history without the searches, unless they are read."""
        if self.reads_searches or not history.searches:
            return history
        return replace(history, searches=())

    def _search_lines(self, searches: Sequence[Search], previous: int | None) -> list[int]:
        """Return searches in tokens, each tokenized by itself: the newest that fit half a segment.

        Args:
            searches: Oldest first.
            previous: Time of the event before them; None: there was none.
        """
        lines = list[int]()
        before = [previous, *(search.timestamp for search in searches)]
        for search, since in zip(searches[::-1], before[-2::-1], strict=True):
            line = self._search_line(search, since)
            if len(lines) + len(line) > self.segment_limit // 2:
                break
            lines = line + lines
        return lines

    @cached_property
    def _search_line(self) -> Callable[[Search, int | None], list[int]]:
        def fit(search: Search, previous: int | None) -> list[int]:
            def write(chars: int) -> str:
                return self.renderer.search(search, previous, chars)

            return self._fit(write, self.renderer.search_chars, self.segment_limit // 2)

        return lru_cache(_CACHED_ITEMS)(fit)

    @cached_property
    def _words(self) -> Callable[[str], list[int]]:
        return lru_cache(_CACHED_ITEMS)(self._fit_words)

    def _fit_words(self, item_id: str) -> list[int]:
        """Return what stands behind an item's ID."""
        config = self.renderer.item_words
        limit = min(config.max_tokens, self.segment_limit // 2)
        return self._fit(lambda chars: self.renderer.words(item_id, chars), config.max_chars, limit)

    def _fit(self, write: Callable[[int], str], chars: int, limit: int) -> list[int]:
        """Return a text in tokens, cut between words until they fit; nothing where that is empty.

        Args:
            write: Called with a cap on its characters: the text.
            chars: The cap to begin with.
            limit: Most tokens.
        """
        while chars > 0 and (text := write(chars)):
            tokens = self.tokenize([text])[0]
            # Should a tokenizer have special tokens that quoting does not know, better nothing.
            if any(token in self.special_ids for token in tokens):
                return []
            if len(tokens) <= limit:
                return tokens
            chars = min(chars - 1, max(len(text), chars) * limit // len(tokens))
        return []

    @cached_property
    def _about(self) -> Callable[[str], list[int]]:
        """Return a user's description in tokens."""

        def fit(about: str) -> list[int]:
            return self._fit(
                lambda chars: self.renderer.about(about, chars),
                self.renderer.about_chars,
                self.about_limit,
            )

        return lru_cache(_CACHED_PHRASES)(fit)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """IDs that only structure may produce."""
        added = self.tokenizer.added_tokens_decoder
        return frozenset(index for index, token in added.items() if token.special)

    def prompts(
        self, requests: Sequence[Request], views: Sequence[View] | None = None
    ) -> list[list[int]]:
        """Return what the model reads before it writes each request's item.

        Args:
            requests: With histories in the order of time.
            views: What is read of each history; None: by the rule of windows.
        """
        # Several requests may be about one history, such as with and without a filter.
        histories = {id(request.history): request.history for request in requests}
        for history in histories.values():
            _check_order(history)
        asks = self._asks(requests)
        segments_of = dict(zip(histories, self.segments([*histories.values()]), strict=True))
        encoded = [segments_of[id(request.history)] for request in requests]
        if views is None:
            views = [list_views(segments, self.event_limit)[-1] for segments in encoded]
        return [
            self.join(segments, view, request.history.about) + ask
            for request, segments, view, ask in zip(requests, encoded, views, asks, strict=True)
        ]

    def _asks(self, requests: Sequence[Request]) -> list[list[int]]:
        """Return what ends each request's prompt: searches so far, and the event asked for."""
        if not self.reads_searches:
            requests = [
                replace(request, history=self._as_read(request.history), query=None)
                for request in requests
            ]
        asks = self.tokenize([self.renderer.ask_item(request) for request in requests])
        return [
            self._search_lines(request.searches, _time_of_last(request.history)) + ask
            for request, ask in zip(requests, asks, strict=True)
        ]

    def views(self, histories: Sequence[History]) -> list[View]:
        """Return what a prompt holds of each history."""
        encoded = self.segments(histories)
        return [list_views(segments, self.event_limit)[-1] for segments in encoded]

    def moments(self, request: Request) -> list[list[int]]:
        """Return the prompt before every event of a history, and the request's own at the end.

        Each is what the model read of that event in training. They begin one another, but where
        a history outgrew the context and its front was cut.
        """
        _check_order(request.history)
        segments = self.segments([request.history])[0]
        views = list_views(segments, self.event_limit)
        asks = [segment.tokens[: segment.tokens.index(self.opening) + 1] for segment in segments]
        asks += self._asks([request])
        return [
            self.join(segments[:place], view, request.history.about) + ask
            for place, (view, ask) in enumerate(zip(views, asks, strict=True))
        ]

    def join(self, segments: Sequence[Segment], view: View, about: str | None = None) -> list[int]:
        """Return a stream: the header, the user's description, and what is seen of the events."""
        shown = (
            segment.tokens if place >= view.worded else segment.bare
            for place, segment in enumerate(segments[view.start :], start=view.start)
        )
        described = self._about(about) if about is not None and self.reads_about else []
        return [*self.header, *described, *chain.from_iterable(shown)]


class _Step(NamedTuple):
    """An event, what led to it, and the time of the event before."""

    event: Event
    searches: tuple[Search, ...]
    previous: int | None

    @property
    def latest(self) -> int | None:
        """Time of what is read right before the event; None: nothing is."""
        return self.searches[-1].timestamp if self.searches else self.previous


def _steps(history: History) -> Iterator[_Step]:
    times = (None, *(event.timestamp for event in history.events))
    for step in zip(history.events, history.searches_before(), times, strict=False):
        yield _Step(*step)


def _time_of_last(history: History) -> int | None:
    return history.events[-1].timestamp if history.events else None


def _check_order(history: History) -> None:
    for name, acts in (("events", history.events), ("searches", history.searches)):
        times = [act.timestamp for act in acts]
        if any(later < earlier for earlier, later in zip(times, times[1:], strict=False)):
            raise DataError(
                f"the history of user {history.user_id} is not in the order of time; sort its "
                f"{name}"
            )
