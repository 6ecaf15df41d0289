"""What of a summary is true: each interest named must rest on events of the history.

One set of checks for whoever wrote it. Enters: a summary and the history. Leaves: what holds, and a
count of what does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from genrec.display import HtmlRepr, ShortRepr, Table, day
from genrec.interests.profile.buckets import SUMMARY_LISTS, SummaryList, classify
from genrec.interests.profile.interests import MAX_INTERESTS, find_interests
from genrec.interests.summary.codec import MAX_STATEMENTS
from genrec.interests.summary.schema import Claim, SummaryContent
from genrec.interests.summary.templates import (
    NOT_ENOUGH,
    StatementKind,
    find_names,
    list_of,
    read_statement,
    split_sentences,
    write_statement,
)
from genrec.schema import MIN_EVIDENCE, History, Interest
from genrec.semantic_ids.table import SemanticIdTable

GOES_ON = 0.5
"""Chance of being met among the next events from which an interest that began late is emerging."""


@dataclass(frozen=True, repr=False)
class Summary(ShortRepr, HtmlRepr):
    """What a user cares about.

    Attributes:
        words: The sentences; every interest they name is supported by events.
        interests: The interests named with all their evidence, strongest first.
        unsupported: Names the model wrote that no evidence was found for; they are in neither.
        by_model: Whether the model chose the interests; False where none of its names held, and
            the strongest interests were counted from the events instead.
        content: The lists and sentences that hold, as JSON; an interest's events are all its
            evidence, those the model cited first.
        moved: Interests the model named in a list, or in a sentence about one, that the events do
            not show them in; they stand where the events show them.
        cited: Events the model cited.
        miscited: Of these, how many are no events under the interest they were cited for.
        removed: Sentences left out for naming what does not hold.
    """

    words: str
    interests: tuple[Interest, ...]
    unsupported: tuple[str, ...] = ()
    by_model: bool = True
    content: SummaryContent = field(
        default_factory=lambda: SummaryContent(
            long_term=[], recent=[], emerging=[], fading=[], summary=NOT_ENOUGH
        )
    )
    moved: tuple[str, ...] = ()
    cited: int = 0
    miscited: int = 0
    removed: tuple[str, ...] = ()

    def names(self, name: SummaryList) -> list[str]:
        """Return the interests of a list, strongest first."""
        return [claim.interest for claim in getattr(self.content, name)]

    def _shown(self) -> Iterator[str | Table]:
        yield self.words
        rows = (
            (
                interest.name,
                f"{interest.weight:.0%}",
                interest.trend,
                len(interest.evidence),
                day(interest.first_seen),
                day(interest.last_seen),
            )
            for interest in self.interests
        )
        if self.interests:
            yield Table(("interest", "share", "trend", "events", "first", "last"), rows)


def coarse_names(table: SemanticIdTable) -> list[str]:
    """Return the names of all interests that a summary may name: those of first codes."""
    return [name for prefix, name in table.names.items() if len(prefix) == 1]


def check_summary(
    said: SummaryContent,
    history: History,
    table: SemanticIdTable,
    min_evidence: int = MIN_EVIDENCE,
    chances: np.ndarray | None = None,
) -> Summary:
    """Keep what of a summary the events support.

    - An interest needs ``min_evidence`` events of the history; else it is removed, and counted as
      unsupported. What is no interest of the catalogue is removed likewise.
    - An event cited must be one of the interest's; else it is dropped and counted.
    - An interest stands in its own list, the most telling one that it is true in (``classify``);
      one that was named where it is not true is counted. What began late is emerging where it is
      predicted to go on.
    - A sentence that names an interest which does not hold goes; where the wording is ours, only
      the name goes, also for being said of another list than its own, or for having been said
      before. What no sentence says is said in our wordings, as far as there is room.

    Args:
        said: What a model wrote.
        history: Oldest first; events of items the table does not know support nothing.
        table: Semantic IDs.
        min_evidence: Fewest events of an interest.
        chances: Of each first code being met among the next ``NEXT_EVENTS`` events; None: nobody
            knows, and all that began late is emerging. Shape: (codes of a level,).
    """
    return _Check(history, table, min_evidence, chances).check(said)


class _Check:
    """The checks of one summary."""

    def __init__(
        self,
        history: History,
        table: SemanticIdTable,
        min_evidence: int,
        chances: np.ndarray | None,
    ) -> None:
        self._history, self._table = history, table
        count = len(history.events) or 1
        found = find_interests(history, table, max(1, min_evidence), count)
        self._supported = {interest.name: interest for interest in found}
        self._lists = {
            one.name: classify(
                one, history, table, chances is None or bool(chances[one.prefix[0]] >= GOES_ON)
            )
            for one in found
        }
        self._names = coarse_names(table)
        self._place: dict[str, SummaryList] = {}
        self._cited: dict[str, list[int]] = {}
        self._unsupported: dict[str, None] = {}
        self._moved: dict[str, None] = {}
        self._said: set[str] = set()
        self._removed: list[str] = []

    def check(self, said: SummaryContent) -> Summary:
        cited = miscited = 0
        wanted: dict[str, list[SummaryList]] = {}
        for name, claim in said.claims():
            wanted.setdefault(claim.interest, []).append(name)
            cited += len(claim.events)
            miscited += self._take_citations(claim)
        sentences = split_sentences(said.summary, self._names)
        for interest, kind in self._mentions(sentences):
            if kind is None:
                wanted.setdefault(interest, [])
            elif interest not in wanted:
                wanted[interest] = [list_of(kind)]
        for interest, lists in wanted.items():
            self._stand(interest, lists)
        words = [kept for sentence in dict.fromkeys(sentences) if (kept := self._keep(sentence))]
        by_model = bool(self._place)
        if not by_model:
            strongest = list(self._supported.values())[:MAX_INTERESTS]
            self._place = {one.name: self._lists[one.name][0] for one in strongest}
            words = []
        named = [one for name, one in self._supported.items() if name in self._place]
        known = list(dict.fromkeys([*self._names, *self._supported]))
        told = set(find_names(" ".join(words), known))
        untold = [one for one in named if one.name not in told]
        words += self._write(untold)[: max(MAX_STATEMENTS - len(words), 0)]
        words = words or [NOT_ENOUGH]
        content = self._content(named, " ".join(words))
        return Summary(
            words=content.summary,
            interests=tuple(named),
            unsupported=tuple(self._unsupported),
            by_model=by_model or not named,
            content=content,
            moved=tuple(self._moved),
            cited=cited,
            miscited=miscited,
            removed=tuple(self._removed),
        )

    def _take_citations(self, claim: Claim) -> int:
        """Keep the events cited that are the interest's own; return how many are not."""
        interest = self._supported.get(claim.interest)
        own = set(self._numbers(interest)) if interest else set()
        # An interest with too few events may still have been cited rightly.
        own = own or set(self._numbers_named(claim.interest))
        kept = self._cited.setdefault(claim.interest, [])
        wrong = 0
        for number in claim.events:
            if number in own and number not in kept:
                kept.append(number)
            else:
                wrong += 1
        return wrong

    def _stand(self, interest: str, wanted: Sequence[SummaryList]) -> None:
        """Give an interest its place, or count it."""
        if interest not in self._supported:
            self._unsupported[interest] = None
            return
        true = self._lists[interest]
        if any(name not in true for name in wanted):
            self._moved[interest] = None
        self._place[interest] = true[0]

    def _mentions(self, sentences: Iterable[str]) -> Iterable[tuple[str, StatementKind | None]]:
        """Yield the interests that sentences name, and what is said of them where that is known."""
        for sentence in sentences:
            statement = read_statement(sentence, self._names)
            if statement:
                yield from ((name, statement[0]) for name in statement[2])
            else:
                yield from ((name, None) for name in find_names(sentence, self._names))

    def _keep(self, sentence: str) -> str | None:
        """Return what of a sentence holds and is not said yet."""
        statement = read_statement(sentence, self._names)
        if statement is None:
            if all(name in self._place for name in find_names(sentence, self._names)):
                return None if sentence == NOT_ENOUGH else sentence
            self._removed.append(sentence)
            return None
        kind, wording, names = statement
        true = [name for name in dict.fromkeys(names) if self._is_true(name, kind)]
        if not true:
            self._removed.append(sentence)
        # What is true of another list than its own, too, would be said twice and two ways.
        new = [
            name for name in true if self._place[name] == list_of(kind) and name not in self._said
        ]
        self._said.update(new)
        return write_statement(kind, new, wording) if new else None

    def _is_true(self, name: str, kind: StatementKind) -> bool:
        """Say whether a statement is true of an interest; one that is not is counted."""
        if name not in self._place:
            return False
        if kind == "returned":
            true = self._supported[name].trend == "returned"
        else:
            true = kind in self._lists[name]
        if not true:
            self._moved[name] = None
        return true

    def _write(self, named: Sequence[Interest]) -> list[str]:
        """Say interests in words of our own, the most telling list first."""
        groups: dict[StatementKind, list[str]] = {
            kind: [] for kind in ("emerging", "long_term", "returned", "recent", "fading")
        }
        for interest in named:
            place = self._place[interest.name]
            back = place == "recent" and interest.trend == "returned"
            groups["returned" if back else place].append(interest.name)
        return [write_statement(kind, names) for kind, names in groups.items() if names]

    def _content(self, named: Sequence[Interest], words: str) -> SummaryContent:
        lists: Mapping[str, list[Claim]] = {name: [] for name in SUMMARY_LISTS}
        for interest in named:
            cited = self._cited.get(interest.name, [])
            others = [number for number in self._numbers(interest) if number not in cited]
            claim = Claim(interest=interest.name, events=[*cited, *reversed(others)])
            lists[self._place[interest.name]].append(claim)
        return SummaryContent(**lists, summary=words)

    def _numbers(self, interest: Interest) -> list[int]:
        """Return the numbers of the events under an interest, oldest first."""
        length = len(interest.prefix)
        return [
            number
            for number, event in enumerate(self._history.events, start=1)
            if self._table.knows(event.item_id)
            and self._table.codes_of(event.item_id)[:length] == interest.prefix
        ]

    def _numbers_named(self, name: str) -> list[int]:
        """Return the numbers of the events under the interest of a name."""
        return [
            number
            for number, event in enumerate(self._history.events, start=1)
            if self._table.knows(event.item_id)
            and self._table.name_of(self._table.codes_of(event.item_id)[:1]) == name
        ]
