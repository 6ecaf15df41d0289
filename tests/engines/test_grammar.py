"""Grammars against brute force: exactly their texts can be written, on either side of a wire."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.engines.grammar import (
    Choice,
    GrammarState,
    Repeat,
    Series,
    Tokens,
    can_be_empty,
    from_json,
    longest,
    to_json,
)
from genrec.errors import DecodeError

TOKEN = st.integers(0, 3)
LEAVES = st.lists(TOKEN, min_size=1, max_size=3).map(lambda ids: Tokens(tuple(ids)))


def larger(parts):
    several = st.lists(parts, min_size=1, max_size=3).map(tuple)
    repeats = st.tuples(
        parts.filter(lambda part: not can_be_empty(part)),
        st.integers(0, 1),
        st.integers(1, 2),
        st.none() | LEAVES,
    )
    return st.one_of(
        several.map(Choice), several.map(Series), repeats.map(lambda found: Repeat(*found))
    )


GRAMMARS = st.recursive(LEAVES, larger, max_leaves=5)


def texts(grammar) -> set[tuple[int, ...]]:
    """Every text of a grammar, by what its parts mean."""
    if isinstance(grammar, Tokens):
        return {grammar.ids}
    if isinstance(grammar, Choice):
        return set().union(*map(texts, grammar.options))
    if isinstance(grammar, Series):
        found = {()}
        for part in grammar.parts:
            found = {before + after for before in found for after in texts(part)}
        return found
    between = grammar.between.ids if grammar.between else ()
    found, times = set(), {()}
    for count in range(grammar.most + 1):
        if count >= grammar.least:
            found |= times
        glue = between if count else ()
        times = {before + glue + after for before in times for after in texts(grammar.part)}
    return found


def writable(grammar, state=None, prefix=(), limit=5000) -> set[tuple[int, ...]]:
    """Every text that a state can write, by trying all its tokens."""
    found, waiting = set(), [()]
    while waiting and len(found) < limit:
        text = waiting.pop()
        state = GrammarState(grammar)
        for token in text:
            state.advance(token)
        if state.is_complete:
            found.add(text)
        waiting += [(*text, token) for token in state.allowed]
    return found


@settings(deadline=None)
@given(GRAMMARS.filter(lambda grammar: len(texts(grammar)) <= 300))
def test_exactly_the_grammars_texts_can_be_written(grammar):
    meant = texts(grammar)
    assert writable(grammar) == meant
    assert longest(grammar) == max(map(len, meant))
    assert can_be_empty(grammar) == (() in meant)


@settings(deadline=None)
@given(st.lists(GRAMMARS, max_size=4))
def test_grammars_travel_as_json(grammars):
    sent = json.loads(json.dumps(to_json([*grammars, *grammars])))
    received = from_json(sent["nodes"], sent["roots"])
    assert len(received) == 2 * len(grammars)
    for grammar, copy in zip([*grammars, *grammars], received, strict=True):
        assert texts(copy) == texts(grammar)


def test_what_grammars_share_is_sent_once():
    many = Choice(tuple(Tokens((code,)) for code in range(200)))
    grammars = [Series((many, Tokens((1000 + n,)))) for n in range(50)]
    assert len(to_json(grammars)["nodes"]) == 200 + 1 + 2 * 50


phrases = st.lists(
    st.lists(TOKEN, min_size=1, max_size=4).map(tuple), min_size=1, max_size=5, unique=True
)


@settings(deadline=None)
@given(phrases, st.data())
def test_a_list_without_end_is_a_list_of_phrases(known, data):
    between, end = Tokens((50,)), Tokens((99,))
    grammar = Series((Repeat(Choice(tuple(map(Tokens, known))), 1, None, between), end))
    chosen = data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=6))
    state = GrammarState(grammar)
    for number, phrase in enumerate(chosen):
        for token in (50, *phrase) if number else phrase:
            state.advance(token)
    assert not state.is_complete and 99 in state.allowed
    state.advance(99)
    assert state.is_complete and not state.allowed


def test_equal_options_do_not_multiply():
    twice = Choice((Tokens((1, 2)), Tokens((1, 2)), Tokens((1,)), Tokens((1,))))
    state = GrammarState(Repeat(twice, 1, 200))
    for _ in range(150):
        state.advance(1)
    assert state.allowed == [1, 2] and sum(map(len, state._ways.values())) < 1000


def test_what_is_not_allowed_is_an_error():
    state = GrammarState(Tokens((1, 2)))
    with pytest.raises(DecodeError, match="token 2 is not allowed here"):
        state.advance(2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Tokens(()),
        lambda: Choice(()),
        lambda: Repeat(Tokens((1,)), 3, 2),
        lambda: Repeat(Repeat(Tokens((1,)), 0, 1), 0, None),
        lambda: from_json([["choice", [0]]], [0]),
        lambda: from_json([["tokens", [1]], ["series", [1]]], [1]),
        lambda: from_json([["tokens", [1]]], [-1]),
        lambda: from_json([["words", [1]]], [0]),
        lambda: from_json([["repeat", 0]], [0]),
        lambda: from_json([["tokens", ["x"]]], [0]),
    ],
)
def test_a_grammar_that_means_nothing_is_refused(make):
    with pytest.raises(DecodeError):
        make()
