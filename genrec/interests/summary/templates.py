"""The sentences of a summary: wordings with a slot for names, from ``prompts/tasks``.

Every name in them can be found again, so that it can be checked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache, lru_cache
from typing import Literal, get_args

from genrec.interests.profile.buckets import SummaryList
from genrec.stream.templates import Structure, render_blocks

StatementKind = Literal["long_term", "recent", "emerging", "fading", "returned"]
STATEMENT_KINDS: tuple[StatementKind, ...] = get_args(StatementKind)
AND = " and "
NOT_ENOUGH = "Not enough history to say."
_SLOT = "\0"
_MARKS, _WIDE_MARKS = ".!?…", "。！？"
"""What ends a sentence: before a blank, and by itself."""
_SENTENCE_END = re.compile(rf"(?<=[{_MARKS}])\s+|(?<=[{_WIDE_MARKS}])\s*")
# Scripts that put no blanks between words, and Korean, which joins particles to them.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af]")


@cache
def wordings() -> dict[StatementKind, tuple[tuple[str, str], ...]]:
    """Return what stands before and after the names, for each way to word each statement."""
    blocks = render_blocks("tasks/statements", names=Structure(_SLOT))
    return {
        kind: tuple(
            (before, after)
            for line in blocks[kind].splitlines()
            for before, _, after in [line.partition(_SLOT)]
        )
        for kind in STATEMENT_KINDS
    }


def list_of(kind: StatementKind) -> SummaryList:
    """Return the list whose interests a statement is about."""
    return "recent" if kind == "returned" else kind


def write_statement(kind: StatementKind, names: Sequence[str], wording: int = 0) -> str:
    """Return a sentence.

    Examples:
        >>> write_statement("emerging", ["tea", "kettles"])
        'Turning to tea and kettles.'
    """
    before, after = wordings()[kind][wording]
    return before + AND.join(names) + after


def read_statement(
    sentence: str, names: Collection[str]
) -> tuple[StatementKind, int, list[str]] | None:
    """Take a sentence apart; None where it is not worded as ours are, or names something else.

    Returns:
        Its kind, its wording and the names.
    """
    for kind, options in wordings().items():
        for wording, (before, after) in enumerate(options):
            if sentence.startswith(before) and sentence.endswith(after):
                found = _split(sentence[len(before) : len(sentence) - len(after)], names)
                if found:
                    return kind, wording, found
    return None


def split_sentences(text: str, names: Sequence[str]) -> list[str]:
    """Return the sentences of a text, each with the mark that ends it.

    A full stop inside a name ends nothing. What the text breaks off at is ended with one, so that
    another sentence can stand after it.
    """
    pattern = _pattern(tuple(names))[1]
    spans = [found.span() for found in pattern.finditer(text)] if pattern else []
    parts, start = [], 0
    for found in _SENTENCE_END.finditer(text):
        if not any(first < found.start() < last for first, last in spans):
            parts.append(text[start : found.start()])
            start = found.end()
    sentences = [part for part in map(str.strip, [*parts, text[start:]]) if part]
    return [part if part[-1] in _MARKS + _WIDE_MARKS else part + "." for part in sentences]


def find_names(text: str, names: Sequence[str]) -> list[str]:
    """Return the names that stand in a text as whole words, in order; longer ones go first.

    Examples:
        >>> find_names("Tea, and Tea · Kettles.", ["tea", "tea · kettles", "kettles"])
        ['tea', 'tea · kettles']
    """
    by_folded, pattern = _pattern(tuple(names))
    if pattern is None:
        return []
    return list(dict.fromkeys(by_folded[found.lower()] for found in pattern.findall(text)))


@lru_cache(maxsize=8)
def _pattern(names: tuple[str, ...]) -> tuple[dict[str, str], re.Pattern[str] | None]:
    by_folded = {name.lower(): name for name in reversed(names) if name.strip()}
    if not by_folded:
        return {}, None
    longest_first = sorted(by_folded, key=len, reverse=True)
    any_name = "|".join(map(_as_words, longest_first))
    return by_folded, re.compile(any_name, re.IGNORECASE)


def _as_words(name: str) -> str:
    before = "" if _UNSPACED.match(name[0]) else r"(?<!\w)"
    after = "" if _UNSPACED.match(name[-1]) else r"(?!\w)"
    return before + re.escape(name) + after


def _split(text: str, names: Collection[str]) -> list[str] | None:
    """Return the names in "name and name"; a name may hold the very word that joins them."""
    if text in names:
        return [text]
    parts = text.split(AND)
    for count in range(1, len(parts)):
        first = AND.join(parts[:count])
        if first in names and (rest := _split(AND.join(parts[count:]), names)):
            return [first, *rest]
    return None
