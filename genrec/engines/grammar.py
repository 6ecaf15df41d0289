"""Which tokens may follow when a text must be of a given form: sequence, choice and repetition.

Enters: token sequences, put together. Leaves: for any text so far, the tokens that may come next;
none where the text is whole. A text can stand at several places at once, since one option may
begin another.

A grammar is a graph of nodes that may be shared: in a batch, what all prompts may say is built
once, travels to a server once, and only what differs is held for each prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from genrec.errors import DecodeError


@dataclass(frozen=True, slots=True)
class Tokens:
    """Exactly these tokens; at least one."""

    ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.ids:
            raise DecodeError("a grammar's token sequence is empty; leave it out")


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of the options; at least one."""

    options: tuple[Grammar, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise DecodeError("a grammar's choice has no options")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """All parts, one after another."""

    parts: tuple[Grammar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """A part several times.

    Attributes:
        part: May not be empty.
        least: Fewest times.
        most: Most times; None: as often as there is room.
        between: What stands between two.
    """

    part: Grammar
    least: int = 0
    most: int | None = None
    between: Tokens | None = None

    def __post_init__(self) -> None:
        if self.least < 0 or (self.most is not None and self.most < self.least):
            raise DecodeError(f"a grammar repeats from {self.least} to {self.most} times")
        if can_be_empty(self.part):
            raise DecodeError("what a grammar repeats may not be empty")


Grammar = Tokens | Choice | Series | Repeat


@dataclass(frozen=True, slots=True)
class _Rest:
    """What of a node is left: of tokens from a place on, of a repetition after so many times."""

    node: Tokens | Repeat
    done: int


_Stack = tuple[Any, Any] | None
"""What is still to be written: the next node or rest, and what comes after; None: nothing."""


class GrammarState:
    """A text of a grammar while it is being written."""

    def __init__(self, grammar: Grammar) -> None:
        self._ways: dict[int | None, dict[_Stack, None]] = {}
        self._arrive([(grammar, None)])

    @property
    def allowed(self) -> list[int]:
        """Tokens that may come next; empty where nothing may."""
        return sorted(token for token in self._ways if token is not None)

    @property
    def is_complete(self) -> bool:
        """Whether the text may end here."""
        return None in self._ways

    def advance(self, token: int) -> None:
        """Take the next token.

        Raises:
            DecodeError: It is not allowed.
        """
        if token not in self._ways:
            raise DecodeError(f"token {token} is not allowed here, but {self.allowed[:20]}")
        self._arrive(list(self._ways[token]))

    def _arrive(self, stacks: list[_Stack]) -> None:
        self._ways = {}
        for stack in stacks:
            for token, after in _ways(stack):
                self._ways.setdefault(token, {})[after] = None


def _ways(stack: _Stack) -> Iterator[tuple[int | None, _Stack]]:
    """Yield each token that may come next with what is left after it; None for the end."""
    if stack is None:
        yield None, None
        return
    node, after = stack
    if isinstance(node, Tokens):
        node = _Rest(node, 0)
    if isinstance(node, Choice):
        for option in node.options:
            yield from _ways((option, after))
    elif isinstance(node, Series):
        for part in reversed(node.parts):
            after = (part, after)
        yield from _ways(after)
    elif isinstance(node, Repeat):
        yield from _repeat(node, 0, after)
    elif isinstance(node.node, Repeat):
        yield from _repeat(node.node, node.done, after)
    else:
        ids, place = node.node.ids, node.done + 1
        yield ids[place - 1], after if place == len(ids) else (_Rest(node.node, place), after)


def _repeat(node: Repeat, done: int, after: _Stack) -> Iterator[tuple[int | None, _Stack]]:
    if node.most is None or done < node.most:
        # Beyond the least a repetition without an upper end goes round in one place.
        count = done + 1 if node.most is not None else min(done + 1, max(node.least, 1))
        once: _Stack = (node.part, (_Rest(node, count), after))
        yield from _ways((node.between, once) if done and node.between else once)
    if done >= node.least:
        yield from _ways(after)


def can_be_empty(grammar: Grammar) -> bool:
    """Tell whether a grammar has the text without tokens."""
    if isinstance(grammar, Choice):
        return any(map(can_be_empty, grammar.options))
    if isinstance(grammar, Series):
        return all(map(can_be_empty, grammar.parts))
    return isinstance(grammar, Repeat) and grammar.least == 0


def longest(grammar: Grammar) -> int:
    """Return the tokens of the longest text of a grammar without endless repetitions."""
    if isinstance(grammar, Tokens):
        return len(grammar.ids)
    if isinstance(grammar, Choice):
        return max(map(longest, grammar.options))
    if isinstance(grammar, Series):
        return sum(map(longest, grammar.parts))
    if grammar.most is None:
        raise DecodeError("a grammar that repeats without end has no longest text")
    between = len(grammar.between.ids) if grammar.between else 0
    return grammar.most * longest(grammar.part) + max(0, grammar.most - 1) * between


def to_json(grammars: Sequence[Grammar]) -> dict[str, Any]:
    """Return grammars as plain JSON, what they share written once.

    Returns:
        ``nodes``: each ["tokens", ids], ["choice", nodes], ["series", nodes] or
        ["repeat", node, least, most, between ids or null], nodes named by their places, which
        are lower than their own. ``roots``: the place of each grammar.
    """
    nodes: list[list[Any]] = []
    places: dict[Any, int] = {}

    def place(grammar: Grammar) -> int:
        if grammar not in places:
            if isinstance(grammar, Tokens):
                content: list[Any] = ["tokens", list(grammar.ids)]
            elif isinstance(grammar, Choice):
                content = ["choice", [place(option) for option in grammar.options]]
            elif isinstance(grammar, Series):
                content = ["series", [place(part) for part in grammar.parts]]
            else:
                between = list(grammar.between.ids) if grammar.between else None
                part = place(grammar.part)
                content = ["repeat", part, grammar.least, grammar.most, between]
            nodes.append(content)
            places[grammar] = len(nodes) - 1
        return places[grammar]

    return {"roots": [place(grammar) for grammar in grammars], "nodes": nodes}


def from_json(nodes: Sequence[Sequence[Any]], roots: Sequence[int]) -> list[Grammar]:
    """Return the grammars that ``to_json`` wrote.

    Raises:
        DecodeError: It was not written so.
    """
    made: list[Grammar] = []
    try:
        for kind, *content in nodes:
            made.append(_read(kind, content, made))
        return [made[_place(root, made)] for root in roots]
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise DecodeError(f"a grammar's nodes are not of the right form ({error})") from None


def _read(kind: str, content: list[Any], made: list[Grammar]) -> Grammar:
    if kind == "tokens":
        return Tokens(tuple(int(token) for token in content[0]))
    if kind in ("choice", "series"):
        parts = tuple(made[_place(place, made)] for place in content[0])
        return Choice(parts) if kind == "choice" else Series(parts)
    if kind != "repeat":
        raise ValueError(f"no node is called {kind!r}")
    part, least, most, between = content
    return Repeat(
        made[_place(part, made)],
        int(least),
        None if most is None else int(most),
        None if between is None else Tokens(tuple(int(token) for token in between)),
    )


def _place(place: Any, made: Sequence[Grammar]) -> int:
    if not isinstance(place, int) or not 0 <= place < len(made):
        raise ValueError(f"{place!r} is no node before this one")
    return place
