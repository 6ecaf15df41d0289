"""What a model may say of a list, so that nothing outside the list is ever named.

It writes ``#1`` where it means the first item, and the title is put there afterwards. Its other
words must be plain ones (``plain_words``), or say what the items and the constraints say: brands,
categories, prices. A title's words are free only where the user said them too. So the name of an
item that is not there, or that nobody ever made, cannot be written: there are no words for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import regex

from genrec.chat.plain_words import PLAIN_WORDS

MAX_WORDING_CHARS = 600
MAX_TITLE_WORDS = 24
_REFERENCE = regex.compile(r"#(\d{1,4})\b")
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_NUMBER = regex.compile(r"\p{Nd}+(?:[.,]\p{Nd}+)*")
_BETWEEN = regex.compile(r"[\s\p{P}\p{Sc}\p{Emoji_Presentation}]*")
_SENTENCE_ENDS = ".!?:"


@dataclass(frozen=True)
class ShownItem:
    """What is told of an item.

    Attributes:
        title: For people.
        brand: None: unknown.
        category: The finest; None: unknown.
        price: None: unknown.
    """

    title: str
    brand: str | None
    category: str | None
    price: float | None


@dataclass(frozen=True)
class Told:
    """What a model is told, and may speak of.

    Attributes:
        said: By the user, oldest first.
        held: Constraints that all items keep, for people.
        items: Best first.
    """

    said: tuple[str, ...]
    held: tuple[str, ...]
    items: tuple[ShownItem, ...]

    @cached_property
    def _facts(self) -> list[str]:
        described = (text for item in self.items for text in (item.brand, item.category) if text)
        return [*self.held, *described]

    @cached_property
    def names(self) -> frozenset[str]:
        """Words of brands, categories and constraints, as they are written."""
        return frozenset(word for text in self._facts for word in _WORD.findall(text))

    @cached_property
    def words(self) -> frozenset[str]:
        """Words that may be written beside plain ones, in small letters."""
        own = {word for text in self.said for word in words_of(text)}
        titles = {word for item in self.items for word in words_of(item.title)}
        return frozenset(own & titles).union(word.casefold() for word in self.names)

    @cached_property
    def numbers(self) -> frozenset[float]:
        """Prices, bounds, and how many items there are."""
        written = (each for text in self._facts for each in _NUMBER.findall(text))
        prices = {item.price for item in self.items if item.price is not None}
        counted = {float(len(self.items)), *prices}
        return frozenset(counted.union(*map(_readings, written)))


class Titles:
    """The titles of a catalogue, to be found in what is said."""

    def __init__(self, titles: Iterable[str]) -> None:
        """Take the titles; of those of one word nothing is kept, since any word may be one."""
        cut = (tuple(words_of(title)[:MAX_TITLE_WORDS]) for title in titles)
        self._known = {" ".join(words) for words in cut if len(words) > 1}
        self._longest = max((words.count(" ") + 1 for words in self._known), default=0)

    def found_in(self, text: str) -> Iterator[str]:
        """Yield the titles that stand in a text, in small letters."""
        words = words_of(text)
        for start in range(len(words)):
            for end in range(start + 2, min(start + self._longest, len(words)) + 1):
                if (title := " ".join(words[start:end])) in self._known:
                    yield title


def find_fault(text: str, told: Told, titles: Titles) -> str | None:
    """Return the first thing in a text that has no place there; None: it may be shown.

    Args:
        text: As the model wrote it.
        told: What it was told.
        titles: Of the whole catalogue.
    """
    if not text or len(text) > MAX_WORDING_CHARS:
        return f"{len(text)} characters"
    for reference in _REFERENCE.finditer(text):
        if not 1 <= int(reference[1]) <= len(told.items):
            return str(reference[0])
    plain = _REFERENCE.sub("", text)
    for found in _WORD.finditer(plain):
        word, before = str(found[0]), plain[: found.start()].rstrip()
        small = word.casefold()
        if small not in PLAIN_WORDS and small not in told.words:
            return word
        is_first = not before or before[-1] in _SENTENCE_ENDS
        if word not in (small, "I") and not is_first and word not in told.names:
            return word
    for number in _NUMBER.findall(plain):
        if not _readings(number) & told.numbers:
            return str(number)
    rest = _BETWEEN.sub("", _NUMBER.sub("", _WORD.sub("", plain)))
    return rest[:1] or next(titles.found_in(plain), None)


def put_titles(text: str, told: Told) -> str:
    """Return a text with titles where it refers to items.

    Examples:
        >>> told = Told((), (), (ShownItem("Green Tea", None, None, None),))
        >>> put_titles("Try #1.", told)
        'Try “Green Tea”.'
    """
    return str(_REFERENCE.sub(lambda found: f"“{told.items[int(found[1]) - 1].title}”", text))


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters, without numbers."""
    return [word.casefold() for word in _WORD.findall(text)]


def _readings(written: str) -> set[float]:
    """Return the numbers that a text can mean: a comma divides thousands, or is a point.

    Examples:
        >>> sorted(_readings("1,299"))
        [1.299, 1299.0]
    """
    digits: Sequence[str] = (written.replace(",", ""), written.replace(",", "."))
    return {float(each) for each in digits if each.count(".") < 2}
