"""What one message says, read into the state: constraints that are certain, words for the rest.

Enters: a message (untrusted) and the state so far. Leaves: the state after it, and what was said
that could not be kept. A small deterministic reading: what it does not know by a phrase of
``phrases`` or by a name of the catalogue's own is looked for as words, never obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from statistics import median
from typing import Any

from genrec.chat import phrases
from genrec.chat.amounts import is_price, read_number, with_next_word
from genrec.chat.state import (
    MAX_CONSTRAINTS,
    MAX_ITEMS,
    MAX_WISHES,
    ChatState,
    Constraint,
    read_state,
)
from genrec.chat.vocabulary import TOKEN, Vocabulary
from genrec.chat.wording import ShownItem, Titles, Told
from genrec.schema import BRAND, CATEGORIES, TITLE
from genrec.semantic_ids.phrases import STOP_WORDS
from genrec.table_attributes import TableAttributes

PRICE = "price"
_NOUNS = {
    **dict.fromkeys(("brand", "brands", "maker", "make"), BRAND),
    **dict.fromkeys(("category", "categories", "kind", "sort", "type", "section"), CATEGORIES),
    **dict.fromkeys(("price", "prices", "budget", "cost"), PRICE),
}
_SAID = {"lt": "below", "lte": "at most", "gt": "above", "gte": "at least"}


@dataclass
class _Message:
    """A message, of which what is read is blanked out."""

    text: str
    lower: str = field(init=False)
    unread: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        # One character each, so that places are those of the text; white space is one blank.
        self.text = " ".join(self.text.split())
        small = (character.lower() for character in self.text)
        pairs = zip(small, self.text, strict=True)
        self.lower = "".join(one if len(one) == 1 else as_is for one, as_is in pairs)

    def put(self, pattern: re.Pattern[str], word: str) -> None:
        """Say what a pattern finds in one short word, at the end of its place."""
        self.lower = pattern.sub(lambda found: word.rjust(len(found[0])), self.lower)

    def take(self, start: int, end: int) -> None:
        self.lower = self.lower[:start] + "\0" * (end - start) + self.lower[end:]

    def each(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        """Return what a pattern finds, and take it out."""
        found = list(pattern.finditer(self.lower))
        for match in found:
            self.take(*match.span())
        return found


class ChatReader:
    """Reads messages about one catalogue."""

    def __init__(self, attributes: TableAttributes) -> None:
        """Take the catalogue; its names are read with the first message."""
        self.attributes = attributes

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self.attributes)

    @cached_property
    def titles(self) -> Titles:
        """Those of the whole catalogue."""
        return Titles(self.attributes.distinct(TITLE))

    def tell(self, said: Sequence[str], state: ChatState, titles: Sequence[str]) -> Told:
        """Return what a model is told of an answer, to talk about it.

        Args:
            said: By the user, oldest first.
            state: Of the answer.
            titles: Of the items shown, as far as they are to be talked about.
        """
        items = tuple(map(self._shown, state.shown, titles))
        held = tuple(constraint.said for constraint in state.constraints)
        return Told(tuple(said), held, items)

    def _shown(self, item_id: str, title: str) -> ShownItem:
        brand, category = (
            next(iter(self._finest(name, item_id)), None) for name in (BRAND, CATEGORIES)
        )
        price = self.attributes.number(PRICE, self.attributes.of.index_of(item_id))
        return ShownItem(title, brand, category, price)

    def read_all(self, said: Sequence[str], state: Any) -> tuple[ChatState, list[str]]:
        """Read the newest message into a state; where there is no state, all messages.

        Raises:
            DataError: The state cannot be read.
        """
        current, unread = read_state(state), list[str]()
        for text in said if state is None else said[-1:]:
            current, unread = self.read(text, current)
        return current, unread

    def read(self, text: str, state: ChatState) -> tuple[ChatState, list[str]]:
        """Return the state after a message, and what was said that cannot be kept.

        Args:
            text: What the user says.
            state: Before it. Items that are not in the catalogue any more are passed over.
        """
        message = _Message(text)
        replaces = phrases.INSTEAD.search(message.lower) is not None
        known = self.attributes.of.knows
        state = state.model_copy(update={"shown": tuple(filter(known, state.shown))})
        if message.each(phrases.START_OVER):
            state = ChatState()
        for match in message.each(phrases.RELEASE):
            state = self._release(match["noun"], state)
        state = self._read_bounds(message, state)
        message.put(phrases.NOTHING_ELSE, "only")
        message.put(phrases.SET_ASIDE, "not")
        state = self._read_references(message, state)
        state = self._read_names(message, state)
        return self._read_wish(message, state, replaces), message.unread

    def _release(self, noun: str, state: ChatState) -> ChatState:
        attribute = self._attribute_of(noun)
        subjects = (each.subject for each in state.constraints)
        return state.without(*(one for one in subjects if one.startswith(f"{attribute} ")))

    def _attribute_of(self, noun: str) -> str | None:
        known = self._vocabulary.attributes | self._vocabulary.numbers
        names = (_NOUNS.get(noun), noun, noun.removesuffix("s"))
        return next((name for name in names if name in known), None)

    def _read_bounds(self, message: _Message, state: ChatState) -> ChatState:
        for match in message.each(phrases.BETWEEN):
            low, high = sorted((match[1], match[2]), key=lambda one: read_number(one) or 0.0)
            state = self._bound({"gte": low, "lte": high}, message, match, state)
        for how, pattern in phrases.BOUNDS.items():
            for match in message.each(pattern):
                state = self._bound({how: match[1]}, message, match, state)
        for how, pattern in (("lt", phrases.CHEAPER), ("gt", phrases.DEARER)):
            for match in message.each(pattern):
                items = self._referred(match["ref"], state) if match["ref"] else state.shown
                rows = (self.attributes.of.index_of(item_id) for item_id in items)
                prices = [self.attributes.number(PRICE, row) for row in rows]
                shown = [price for price in prices if price is not None]
                if not shown:
                    message.unread.append(f"{match.group()}: no price was shown yet")
                    continue
                bound = median(shown)
                before = state.constraint_on(f"{PRICE} {how[0]}")
                if before is not None and not match["ref"]:
                    (known,) = before.filter[PRICE].values()
                    bound = min(bound, known) if how == "lt" else max(bound, known)
                state = _keep_bound(state, PRICE, how, bound)
        return state

    def _number_before(self, message: _Message, match: re.Match[str]) -> str | None:
        words = TOKEN.findall(message.lower[: match.start()])
        named = (self._attribute_of(word) for word in words[-1:-3:-1])
        return next((name for name in named if name in self._vocabulary.numbers), None)

    def _bound(
        self, bounds: dict[str, str], message: _Message, match: re.Match[str], state: ChatState
    ) -> ChatState:
        """Keep the bounds of a phrase, if it is sure of what and how much they are."""
        after = message.lower[match.end() :]
        attribute = self._number_before(message, match)
        if attribute is None and is_price(match.group(), after):
            attribute = PRICE
        numbers = {how: read_number(written) for how, written in bounds.items()}
        if attribute is None:
            reason = "not said to be a price"
        elif attribute not in self._vocabulary.numbers:
            reason = f"items have no {attribute}"
        elif None in numbers.values():
            reason = "no number that can be read"
        else:
            for how, number in numbers.items():
                if number is not None:
                    state = _keep_bound(state, attribute, how, number)
            return state
        written = with_next_word(match.group(), after if attribute is None else "")
        message.unread.append(f"{written}: {reason}")
        return state

    def _read_references(self, message: _Message, state: ChatState) -> ChatState:
        """Read what is said of the items shown: not that brand, not the second, none of these."""
        for pattern, wanted in ((phrases.NOT_SAME, False), (phrases.SAME, True)):
            for match in pattern.finditer(message.lower):
                attribute = self._attribute_of(match["noun"])
                if attribute is None or attribute in self._vocabulary.numbers:
                    continue
                message.take(*match.span())
                items = self._referred(match["ref"] or "first", state)
                values = [value for item in items for value in self._finest(attribute, item)]
                if not values:
                    message.unread.append(f"{match.group()}: nothing shown has one")
                for value in values:
                    state = _name_value(state, ((attribute, value),), wanted)
        turned_down: list[str] = []
        for match in message.each(phrases.NOT_ITEM):
            turned_down += self._referred(match["ref"], state)
        if message.each(phrases.NOT_THIS):
            turned_down += state.shown[:1]
        if message.each(phrases.NONE_SHOWN):
            turned_down += state.shown
        excluded = tuple(dict.fromkeys([*state.excluded, *turned_down]))[-MAX_ITEMS:]
        return state.model_copy(update={"excluded": excluded})

    def _referred(self, reference: str, state: ChatState) -> Sequence[str]:
        """Return the item shown at a place, if there is one."""
        if reference == "last":
            return state.shown[-1:]
        digits = re.search(r"\d+", reference)
        place = int(digits.group()) - 1 if digits else phrases.ORDINALS.index(reference)
        return state.shown[place : place + 1] if place >= 0 else ()

    def _finest(self, attribute: str, item_id: str) -> Sequence[str]:
        """Return an item's value of an attribute, if it has one: of its categories the finest."""
        if attribute not in self.attributes.names:
            return ()
        row = self.attributes.of.index_of(item_id)
        return self.attributes.texts(attribute, row)[-1:]

    def _read_names(self, message: _Message, state: ChatState) -> ChatState:
        """Read names of values that are turned down, or that nothing else is wanted than."""
        spans = [match.span() for match in TOKEN.finditer(message.lower)]
        tokens = [message.lower[start:end] for start, end in spans]
        found = list(self._vocabulary.find(tokens, ()))
        inside = {place for named in found for place in range(named.start, named.end)}
        wanted: dict[str, list[tuple[tuple[str, str], ...]]] = {}
        sure = _sure_places(tokens, inside, self._attribute_of)
        for named in found:
            before = _words_before(tokens, named.start, inside)
            is_refused = any(word in phrases.NAME_NEGATORS for word in before)
            written = message.text[spans[named.start][0] : spans[named.end - 1][1]]
            is_asked = (
                any(word in phrases.MARKERS or self._attribute_of(word) for word in before)
                or tokens[named.end : named.end + 1] in (["only"], ["brand"])
                or (
                    named.start in sure
                    and any(pair == (BRAND, written) for pair in named.values)
                    and not written.islower()
                )
            )
            if is_refused or is_asked:
                message.take(spans[named.start][0], spans[named.end - 1][1])
            if is_refused:
                state = _name_value(state, named.values, wanted=False)
            elif is_asked:
                wanted.setdefault(named.values[0][0], []).append(named.values)
        for several in wanted.values():
            pairs = tuple(dict.fromkeys(pair for values in several for pair in values))
            state = _name_value(state, pairs, wanted=True)
        return state

    def _read_wish(self, message: _Message, state: ChatState, replaces: bool) -> ChatState:
        """Look for the words that are left; what is turned down without being known is not one."""
        words: list[str] = []
        refused = False
        for match in TOKEN.finditer(message.lower):
            token = match.group()
            if not token[0].isalnum():
                refused = refused and token == "&"
            elif token in phrases.NEGATORS:
                refused = True
            elif refused and token not in STOP_WORDS:
                message.unread.append(f"not {token}: nothing in the catalogue is called so")
                refused = False
            elif token not in STOP_WORDS and token not in phrases.SMALL_TALK:
                words.append(message.text[slice(*match.span())])
        if not words:
            return state
        wish = ((" ".join(words),) if replaces else (*state.wish, " ".join(words)))[-MAX_WISHES:]
        return state.model_copy(update={"wish": wish})


def _sure_places(
    tokens: Sequence[str], inside: set[int], attribute_of: Callable[[str], str | None]
) -> set[int]:
    """Return the places in parts of a message of which every word is known.

    A comma between two names divides a list of them, and no part from another.
    """
    sure, part, is_known = set[int](), set[int](), True
    for place, token in enumerate([*tokens, "."]):
        joins = place - 1 in inside and _leads_to_name(tokens, place, inside, phrases.JOINING)
        if place not in inside and (token in ",;.!?" and not joins or token == "but"):
            sure |= part if is_known else set()
            part, is_known = set(), True
            continue
        part.add(place)
        is_known = is_known and (
            place in inside
            or token in phrases.BESIDE_NAMES
            or (
                token in phrases.NAME_NEGATORS
                and _leads_to_name(tokens, place, inside, phrases.BETWEEN_WORDS)
            )
            or attribute_of(token) is not None
        )
    return sure


def _leads_to_name(tokens: Sequence[str], place: int, inside: set[int], over: Set[str]) -> bool:
    for at in range(place + 1, len(tokens)):
        if at in inside or tokens[at] not in over:
            return at in inside
    return False


def _words_before(tokens: Sequence[str], start: int, inside: set[int]) -> list[str]:
    """Return the words before a name that are about it, nearest first."""
    words: list[str] = []
    for place in range(start - 1, -1, -1):
        token, earlier = tokens[place], tokens[max(place - 1, 0)]
        if place in inside:
            continue
        if token == "but":
            # "anything but tea" turns tea down, "nothing but tea" wants it, "not tea but coffee"
            # says nothing of coffee.
            read = {"nothing": ["only"], "anything": ["except"], "everything": ["except"]}
            return words + read.get(earlier, ["except"] if "any" in tokens[:place] else [])
        if token == "," and not (place - 1 in inside and phrases.JOINING.issuperset(words)):
            break
        words.append(token)
        if token not in phrases.BETWEEN_WORDS or token in phrases.CLOSING:
            break
    return words


def _name_value(state: ChatState, pairs: tuple[tuple[str, str], ...], wanted: bool) -> ChatState:
    """Keep that values are wanted and nothing else, or that they are not.

    Args:
        state: Before.
        pairs: Attributes and values; of values that are wanted any will do.
        wanted: Which of the two.
    """
    values = [value for _, value in pairs]
    refusals = [f"{attribute} {value} !=" for attribute, value in pairs]
    if wanted:
        by_attribute: dict[str, list[str]] = {}
        for attribute, value in pairs:
            by_attribute.setdefault(attribute, []).append(value)
        parts: list[dict[str, Any]] = [
            {attribute: {"any": some}} for attribute, some in by_attribute.items()
        ]
        first = next(iter(by_attribute))
        said = f"only {' or '.join(dict.fromkeys(values))}"
        written = parts[0] if len(parts) == 1 else {"any": parts}
        return _keep(state.without(*refusals), said, f"{first} =", written)
    for (attribute, value), refusal in zip(pairs, refusals, strict=True):
        asked = state.constraint_on(f"{attribute} =")
        if asked is not None and value in asked.filter.get(attribute, {}).get("any", ()):
            state = state.without(asked.subject)
        state = _keep(state, f"not {value}", refusal, {attribute: {"none": [value]}})
    return state


def _keep_bound(state: ChatState, attribute: str, how: str, bound: float) -> ChatState:
    said = f"{attribute} {_SAID[how]} {bound:.15g}"
    return _keep(state, said, f"{attribute} {how[0]}", {attribute: {how: bound}})


def _keep(state: ChatState, said: str, subject: str, written: dict[str, Any]) -> ChatState:
    kept = state.keep(Constraint(said=said[:500], subject=subject[:500], filter=written))
    if len(kept.constraints) <= MAX_CONSTRAINTS:
        return kept
    return kept.model_copy(update={"constraints": kept.constraints[-MAX_CONSTRAINTS:]})
