"""Streams to tokens, segment by segment, and requests to prompts.

Enters: a renderer and any Hugging Face tokenizer that holds our vocabulary. Leaves: token IDs.
Training (``samples``) and serving (``prompt``) both come through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from genrec.errors import DataError, PromptError
from genrec.schema import History, Request
from genrec.stream.render import Renderer
from genrec.stream.templates import ITEM_MARKER
from genrec.stream.windows import visible_start, visible_starts


@dataclass(frozen=True)
class Encoder:
    """Tokenizes streams.

    Attributes:
        renderer: Writes the text.
        tokenizer: A Hugging Face tokenizer with the markers and semantic-ID tokens added.
        context_tokens: Longest sequence the model is trained on.
    """

    renderer: Renderer
    tokenizer: Any
    context_tokens: int

    @cached_property
    def segment_limit(self) -> int:
        """Most tokens of one event; what exceeds it is cut from the review's end."""
        return self.context_tokens // 4

    @cached_property
    def event_limit(self) -> int:
        """Most tokens of past events in a prompt; the rest is room for the answer."""
        return self.context_tokens - self.segment_limit - len(self.header)

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

    def segments(self, histories: Sequence[History]) -> list[list[list[int]]]:
        """Tokenize every event of every history, each by itself.

        Raises:
            DataError: An event's item is not in the table.
            PromptError: Quoted text produced a special token (a tokenizer with tokens that the
                quoting does not know).
        """
        texts = [
            self.renderer.event(event, previous.timestamp if previous else None)
            for history in histories
            for previous, event in zip((None, *history.events), history.events, strict=False)
        ]
        tokens = iter(self.tokenize(texts))
        # A segment holds one marker and one token per level; anything more came from user text.
        allowed = 1 + self.renderer.table.num_levels
        special = self.special_ids
        encoded = []
        for history in histories:
            segments = []
            for event in history.events:
                segment = next(tokens)[: self.segment_limit]
                if sum(token in special for token in segment) != allowed:
                    raise PromptError(
                        f"the text of event {event.item_id} of user {event.user_id} produced a "
                        "special token or none of its item; use a tokenizer whose special tokens "
                        "are written with '<'"
                    )
                segments.append(segment)
            encoded.append(segments)
        return encoded

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """IDs that only structure may produce."""
        added = self.tokenizer.added_tokens_decoder
        return frozenset(index for index, token in added.items() if token.special)

    def prompts(
        self, requests: Sequence[Request], starts: Sequence[int] | None = None
    ) -> list[list[int]]:
        """Return what the model reads before it writes each request's item.

        Args:
            requests: With histories in the order of time.
            starts: First event of each history that is read; None: by the rule of windows.
        """
        for request in requests:
            _check_order(request.history)
        asks = self.tokenize([self._ask_item(request) for request in requests])
        encoded = self.segments([request.history for request in requests])
        if starts is None:
            starts = [self._start(segments) for segments in encoded]
        return [
            [*self.header, *chain.from_iterable(segments[start:]), *ask]
            for segments, start, ask in zip(encoded, starts, asks, strict=True)
        ]

    def starts(self, histories: Sequence[History]) -> list[int]:
        """Return the first event of each history that a prompt holds; 0 where all are read."""
        return [self._start(segments) for segments in self.segments(histories)]

    def _start(self, segments: Sequence[list[int]]) -> int:
        return visible_start([len(segment) for segment in segments], self.event_limit)

    def moments(self, request: Request) -> list[list[int]]:
        """Return the prompt before every event of a history, and the request's own at the end.

        Each is what the model read of that event in training. They begin one another, but where
        a history outgrew the context and events were dropped from its front.
        """
        _check_order(request.history)
        segments = self.segments([request.history])[0]
        starts = visible_starts([len(segment) for segment in segments], self.event_limit)
        asks = [segment[: segment.index(self.opening) + 1] for segment in segments]
        asks.append(self.tokenize([self._ask_item(request)])[0])
        return [
            [*self.header, *chain.from_iterable(segments[start:place]), *ask]
            for place, (start, ask) in enumerate(zip(starts, asks, strict=True))
        ]

    def _ask_item(self, request: Request) -> str:
        last = request.history.events[-1] if request.history.events else None
        event_type = request.event_type or (last.event_type if last else None)
        ask = self.renderer.ask_item(request.at, event_type, last.timestamp if last else None)
        if not ask.endswith(ITEM_MARKER):
            raise PromptError(
                f"stream/event.jinja must write nothing between {ITEM_MARKER} and the item"
            )
        return ask


def _check_order(history: History) -> None:
    times = [event.timestamp for event in history.events]
    if any(later < earlier for earlier, later in zip(times, times[1:], strict=False)):
        raise DataError(
            f"the history of user {history.user_id} is not in the order of time; sort its events"
        )
