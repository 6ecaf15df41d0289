"""Text held to a grammar: nothing else can be written, and it ends in time."""

import json
import random
import re

import numpy as np
import pytest

from genrec.model.scratch import train_tokenizer
from genrec.zero_shot.constrained import Grammars
from genrec.zero_shot.json_answers import list_format
from genrec.zero_shot.summary import _response_format

NAMES = ["tea", "tea · kettles", "the 'good' garden (roses)", "茶道"]
SUMMARY = _response_format(NAMES, range(3, 15)).grammar
SHORTEST = '{"long_term": [], "recent": [], "emerging": [], "fading": [], "summary": "'


@pytest.fixture(scope="module")
def grammars():
    tokenizer = train_tokenizer([SUMMARY, "Loves tea. Has left the garden behind."] * 9, 400)
    return tokenizer, Grammars(tokenizer, 512, [tokenizer.eos_token_id])


def write(grammars, ebnf, most, rng):
    """Write whatever is allowed, drawn by chance, in at most so many tokens."""
    tokenizer, made = grammars
    text, written = made.begin(ebnf), []
    ending = text.ending(most)
    while not text.is_whole:
        following = text.forced() or [rng.choice(np.flatnonzero(text.allowed()).tolist())]
        if following[0] == tokenizer.eos_token_id:
            break
        text.take(following)
        after = text.ending(max(most - len(written) - len(following), 0))
        if len(written) + len(following) > most or after is None:
            written += ending
            break
        written, ending = written + following, after
    return tokenizer.decode(written), len(written)


def is_summary(text):
    said = json.loads(text)
    claims = [claim for name in ("long_term", "recent", "emerging", "fading")
              for claim in said[name]]  # fmt: skip
    assert all(claim["interest"] in NAMES for claim in claims)
    assert all(3 <= number < 15 for claim in claims for number in claim["events"])
    assert all(len(claim["events"]) <= 4 for claim in claims)
    return 1 <= len(said["summary"]) <= 400


def test_whatever_is_drawn_is_of_the_grammar_and_ends_in_time(grammars):
    rng, lengths = random.Random(0), set()
    for most in [60, 80, 100, 150, 300, 600] * 4:
        text, used = write(grammars, SUMMARY, most, rng)
        assert is_summary(text) and used <= most
        lengths.add(used)
    assert len(lengths) > 12


def test_the_shortest_is_found_and_less_is_none(grammars):
    tokenizer, made = grammars
    shortest = made.begin(SUMMARY).ending(600)
    text = tokenizer.decode(shortest)
    assert text.startswith(SHORTEST) and len(json.loads(text)["summary"]) >= 1
    assert made.begin(SUMMARY).ending(len(shortest)) == shortest
    assert made.begin(SUMMARY).ending(len(shortest) - 1) is None


def test_a_list_of_free_titles(grammars):
    ebnf = list_format("titles", "titles", None, 3).grammar
    for seed in range(10):
        titles = json.loads(write(grammars, ebnf, 40, random.Random(seed))[0])["titles"]
        assert 1 <= len(titles) <= 3
        assert all(re.fullmatch(r'[^"\\\r\n\t]{1,100}', title) for title in titles)


def test_what_is_not_allowed_is_refused_and_what_is_no_grammar_too(grammars):
    tokenizer, made = grammars
    text = made.begin(SUMMARY)
    assert not text.allowed()[tokenizer.eos_token_id]
    with pytest.raises(ValueError, match="does not allow"):
        text.take(tokenizer("tea")["input_ids"])
    with pytest.raises(ValueError, match="not found"):
        made.begin("root ::= nothing")
