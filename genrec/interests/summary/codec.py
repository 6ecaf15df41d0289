"""How a tuned model is asked for a summary and how it writes one: JSON, piece by piece.

An interest is written as the token of its first code, an event as its item's ID: to copy tokens is
what a small model can do. Every piece is tokenized by itself, by training and
serving alike, so that it is spelt in one way under any tokenizer; a from-scratch tokenizer has a
token for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

from genrec.interests.profile.buckets import SUMMARY_LISTS, SummaryList
from genrec.interests.summary.templates import AND, NOT_ENOUGH, StatementKind, wordings
from genrec.schema import Event, History, SemanticId
from genrec.stream.encode import Encoder
from genrec.stream.sid_text import sid_text, sid_token
from genrec.stream.templates import END_MARKER, INTERESTS_MARKER
from genrec.stream.windows import View

MAX_NAMED: Mapping[SummaryList, int] = {"long_term": 3, "recent": 2, "emerging": 2, "fading": 2}
"""Most interests of each list."""
MAX_CITED = 2
"""Most events cited for an interest; the check finds the others."""
MAX_STATEMENTS = 3
MAX_SAID = 2
"""Most interests of one sentence."""

LIST_OPENINGS: Mapping[SummaryList, str] = {
    name: ("], " if number else "{") + f'"{name}": [' for number, name in enumerate(SUMMARY_LISTS)
}
CLAIM, NEXT_CLAIM = '{"interest": "', ', {"interest": "'
CITED, NEXT_CITED, CITED_END = '", "events": ["', '", "', '"]}'
SUMMARY, SUMMARY_END = '], "summary": "', '"}'
NEXT_STATEMENT = " "


def fixed_pieces() -> list[str]:
    """Return what a from-scratch tokenizer has a token for each of."""
    said = {part for options in wordings().values() for pair in options for part in pair}
    return [
        *LIST_OPENINGS.values(),
        *(CLAIM, NEXT_CLAIM, CITED, NEXT_CITED, CITED_END, SUMMARY, SUMMARY_END, NOT_ENOUGH),
        # What is as short as a full stop is a token already.
        *sorted(part for part in said if len(part) > 3),
    ]


@dataclass(frozen=True, slots=True)
class WrittenClaim:
    """An interest with some of its events.

    Attributes:
        code: First code.
        cited: Codes of each event's item.
    """

    code: int
    cited: tuple[SemanticId, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence with interests named by their first codes."""

    kind: StatementKind
    wording: int
    codes: tuple[int, ...]


@dataclass(frozen=True)
class WrittenSummary:
    """What a model is to write.

    Attributes:
        lists: Interests of each list; one that is missing is empty.
        statements: The sentences; none says that the history is too short.
    """

    lists: Mapping[SummaryList, tuple[WrittenClaim, ...]]
    statements: tuple[Statement, ...] = ()

    def pieces(self) -> list[str]:
        """Return the JSON text in pieces, with the end marker."""
        parts = []
        for name, opening in LIST_OPENINGS.items():
            parts.append(opening)
            for number, claim in enumerate(self.lists.get(name, ())):
                parts += [NEXT_CLAIM if number else CLAIM, sid_token(0, claim.code), CITED]
                for place, codes in enumerate(claim.cited):
                    parts += [NEXT_CITED] if place else []
                    parts.append(str(sid_text(codes)))
                parts.append(CITED_END)
        parts.append(SUMMARY)
        for number, statement in enumerate(self.statements):
            before, after = wordings()[statement.kind][statement.wording]
            parts += [NEXT_STATEMENT] if number else []
            parts.append(before)
            for place, code in enumerate(statement.codes):
                parts += [AND] if place else []
                parts.append(sid_token(0, code))
            parts.append(after)
        parts += [] if self.statements else [NOT_ENOUGH]
        return [*(part for part in parts if part), SUMMARY_END, END_MARKER]


@dataclass(frozen=True)
class SummaryQuestion:
    """A prompt that asks for a summary.

    Attributes:
        prompt: Tokens.
        first: Place of the first event of the history that it shows; it shows all from there on.
    """

    prompt: list[int]
    first: int


@dataclass(frozen=True)
class SummaryCodec:
    """Questions and answers in tokens.

    Attributes:
        encoder: Tokenizes.
    """

    encoder: Encoder

    def encode(self, written: WrittenSummary) -> list[int]:
        """Return the tokens of an answer."""
        return list(chain.from_iterable(self.tokenize(written.pieces())))

    def tokenize(self, pieces: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each piece."""
        return self.encoder.tokenize(pieces)

    @cached_property
    def answer_limit(self) -> int:
        """Tokens of the longest answer."""
        item = (0,) * self.encoder.renderer.table.num_levels
        claim = WrittenClaim(0, (item,) * MAX_CITED)
        lists = {name: (claim,) * most for name, most in MAX_NAMED.items()}
        statements = [
            Statement(kind, wording, (0,) * MAX_SAID)
            for kind, options in wordings().items()
            for wording in range(len(options))
        ]
        return max(
            len(self.encode(WrittenSummary(lists, said)))
            for said in [(), *((statement,) * MAX_STATEMENTS for statement in statements)]
        )

    @cached_property
    def event_limit(self) -> int:
        """Most tokens of events in a question; the rest is room for the answer."""
        context = self.encoder.context_tokens
        asked = len(self.encoder.header) + 1
        return max(context - self.answer_limit - asked, context // 4)

    def questions(self, histories: Sequence[History]) -> list[SummaryQuestion]:
        """Return what a model reads before it writes each history's summary.

        The newest events that leave room for the answer, each in brief: time and item's ID,
        without words, so that more of them fit.

        Raises:
            DataError: An event's item is not in the table.
        """
        ask = self.encoder.tokenize([INTERESTS_MARKER])[0]
        brief = [
            History(history.user_id, tuple(map(_in_brief, history.events))) for history in histories
        ]
        questions = []
        for segments in self.encoder.segments(brief):
            count = len(segments)
            first, total = count, 0
            while first > 0 and total + len(segments[first - 1].bare) <= self.event_limit:
                first -= 1
                total += len(segments[first].bare)
            shown = self.encoder.join(segments, View(first, worded=count))
            questions.append(SummaryQuestion(shown + ask, first))
        return questions


def _in_brief(event: Event) -> Event:
    return replace(event, event_type=None, rating=None, title=None, review=None)
