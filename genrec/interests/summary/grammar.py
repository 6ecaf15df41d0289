"""A tuned model's summaries: what it may write, and what its tokens mean.

It may name any interest there is, so that what it says is its own word; what it cites must be an
event it was shown.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from genrec.engines.grammar import Choice, Grammar, Repeat, Series, Tokens
from genrec.interests.profile.buckets import SUMMARY_LISTS
from genrec.interests.summary.codec import (
    CITED,
    CITED_END,
    CLAIM,
    LIST_OPENINGS,
    MAX_CITED,
    MAX_NAMED,
    MAX_SAID,
    MAX_STATEMENTS,
    NEXT_CITED,
    NEXT_CLAIM,
    NEXT_STATEMENT,
    SUMMARY,
    SUMMARY_END,
    SummaryCodec,
)
from genrec.interests.summary.schema import SummaryContent
from genrec.interests.summary.templates import AND, NOT_ENOUGH, wordings
from genrec.schema import Event
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.sid_text import sid_text, sid_token
from genrec.stream.templates import END_MARKER

_FIRST_CODE = re.compile(r"<a_(\d+)>")
NOTHING = SummaryContent(long_term=[], recent=[], emerging=[], fading=[], summary="")
MAX_DISTINCT = 64
"""Of more items than these an event may be cited twice: a grammar without would grow too large."""
NO_EVENT = 0
"""The number of no event: what a citation of nothing stands as."""


class SummaryGrammar:
    """Makes the grammars of prompts; what all of them allow is made once."""

    def __init__(self, codec: SummaryCodec) -> None:
        """Tokenize the pieces."""
        table = codec.encoder.renderer.table
        self._codec = codec
        self._table = table
        self._pieces: dict[str, Tokens] = {}
        named = sorted(prefix[0] for prefix in table.names if len(prefix) == 1)
        used = sorted(set(table.codes[:, 0].tolist()))
        self._code = Choice(tuple(self._read(sid_token(0, code)) for code in named or used))
        statement = Choice(
            tuple(
                _series(*self._maybe(before), self._names(), *self._maybe(after))
                for options in wordings().values()
                for before, after in options
            )
        )
        self._end = _series(
            self._read(SUMMARY),
            Choice(
                (
                    self._read(NOT_ENOUGH),
                    Repeat(statement, 1, MAX_STATEMENTS, self._read(NEXT_STATEMENT)),
                )
            ),
            self._read(SUMMARY_END),
            self._read(END_MARKER),
        )

    def of(self, events: Sequence[Event]) -> Grammar:
        """Return what may be said of a history of which these events are shown."""
        texts = [str(sid_text(self._table.codes_of(event.item_id))) for event in events]
        parts: list[Grammar] = []
        claim = self._claim(texts) if texts else None
        for name, opening in LIST_OPENINGS.items():
            parts.append(self._read(opening))
            if claim is not None:
                several = Repeat(claim, 1, MAX_NAMED[name], self._read(NEXT_CLAIM))
                parts.append(Repeat(Series((self._read(CLAIM), several)), 0, 1))
        return Series((*parts, self._end))

    def _claim(self, texts: Sequence[str]) -> Grammar:
        left = Counter(texts)
        if len(left) <= MAX_DISTINCT:
            cited = self._cited(left, MAX_CITED)
        else:
            cited = Repeat(self._cited(left, 1), 1, MAX_CITED, self._read(NEXT_CITED))
        return Series((self._code, self._read(CITED), cited, self._read(CITED_END)))

    def _cited(self, left: Counter[str], most: int) -> Grammar:
        """Return up to ``most`` events, none more often than it is there."""
        options: list[Grammar] = []
        for text in sorted(left):
            others = left - Counter([text])
            if most > 1 and others:
                more = Series((self._read(NEXT_CITED), self._cited(others, most - 1)))
                options.append(Series((self._read(text), Repeat(more, 0, 1))))
            else:
                options.append(self._read(text))
        return Choice(tuple(options))

    def _names(self) -> Grammar:
        return Repeat(self._code, 1, MAX_SAID, self._read(AND))

    def _maybe(self, piece: str) -> list[Tokens]:
        return [self._read(piece)] if piece else []

    def _read(self, piece: str) -> Tokens:
        if piece not in self._pieces:
            self._pieces[piece] = Tokens(tuple(self._codec.tokenize([piece])[0]))
        return self._pieces[piece]


def read_summary(
    text: str, events: Sequence[Event], first: int, table: SemanticIdTable
) -> SummaryContent:
    """Return what a model's text says, with names for codes and numbers for events.

    Args:
        text: With its special tokens; one that is no summary says nothing.
        events: The whole history.
        first: Place of the first event that was shown.
        table: Semantic IDs.
    """
    try:
        content = json.loads(text.removesuffix(END_MARKER))
    except ValueError:
        return NOTHING
    for name in SUMMARY_LISTS:
        for claim in content[name]:
            code = int(_FIRST_CODE.fullmatch(claim["interest"])[1])  # type: ignore[index]
            claim["events"] = _find_events(claim["events"], events, first, table)
            claim["interest"] = table.name_of((code,))
    content["summary"] = _FIRST_CODE.sub(
        lambda found: table.name_of((int(found[1]),)), content["summary"]
    )
    return SummaryContent.model_validate(content)


def _find_events(
    cited: Sequence[str], events: Sequence[Event], first: int, table: SemanticIdTable
) -> list[int]:
    """Return the numbers of the events cited, the newest of each item first."""
    left: dict[str, list[int]] = {}
    for number, event in enumerate(events[first:], start=first + 1):
        left.setdefault(str(sid_text(table.codes_of(event.item_id))), []).append(number)
    return [left[text].pop() if left.get(text) else NO_EVENT for text in cited]


def _series(*parts: Any) -> Series:
    return Series(parts)
