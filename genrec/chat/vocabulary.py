"""The names that a catalogue has for what its items are like, found in what somebody says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import regex

from genrec.filters import ItemAttributes
from genrec.schema import BRAND, CATEGORIES, DESCRIPTION, ITEM_ID, TITLE

NOT_NAMED = (ITEM_ID, TITLE, DESCRIPTION)
"""Whose values nobody names: they are texts of single items."""
MAX_VALUES = 50_000
MAX_NAME_WORDS = 6
TOKEN = regex.compile(r"\d+(?:[.,]\d+)?|[\p{L}\p{M}\p{N}]+(?:['’\-][\p{L}\p{M}\p{N}]+)*|[&,;.!?#]")


class Named(NamedTuple):
    """A value that is named.

    Attributes:
        start: First token.
        end: One past the last one.
        values: Attributes and the values that go by this name.
    """

    start: int
    end: int
    values: tuple[tuple[str, str], ...]


class Vocabulary:
    """Names of values, and which attributes are numbers."""

    def __init__(self, attributes: ItemAttributes) -> None:
        """Read the distinct values of every attribute of texts."""
        names: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
        self.numbers: set[str] = set()
        self.attributes: set[str] = {BRAND, CATEGORIES}
        for attribute in attributes.own_names:
            kind, values = attributes.kind(attribute), attributes.distinct(attribute)
            if kind == "numbers":
                self.numbers.add(attribute)
            elif attribute not in NOT_NAMED and len(values) <= MAX_VALUES:
                self.attributes.add(attribute)
                for value in values:
                    words = tuple(token.casefold() for token in tokens_of(value))
                    if 0 < len(words) <= MAX_NAME_WORDS and value not in ("true", "false"):
                        names[words].append((attribute, value))
        self._names = {words: tuple(values) for words, values in names.items()}
        self._longest = max(map(len, self._names), default=0)

    def find(self, tokens: Sequence[str], taken: Collection[int]) -> Iterator[Named]:
        """Yield the values that are named, the longest name at each place.

        Args:
            tokens: What is said, in small letters.
            taken: Places that are read already.
        """
        place = 0
        while place < len(tokens):
            for length in range(min(self._longest, len(tokens) - place), 0, -1):
                found = self._names.get(tuple(tokens[place : place + length]))
                if found and not any(each in taken for each in range(place, place + length)):
                    yield Named(place, place + length, found)
                    place += length - 1
                    break
            place += 1


def tokens_of(text: str) -> list[str]:
    """Return the words and numbers of a text, with what is joined by an apostrophe or a sign.

    Examples:
        >>> tokens_of("Don't show Kettle & Crane, under $12.50!")
        ["Don't", 'show', 'Kettle', '&', 'Crane', ',', 'under', '12.50', '!']
    """
    return [match.group() for match in TOKEN.finditer(text)]
