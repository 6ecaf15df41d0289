"""Where one piece of a stream ends and the next begins can be read off the text."""

import re
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genrec.schema import Event
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.render import PHRASES, Renderer
from genrec.stream.sid_text import sid_text
from genrec.stream.templates import quote

RENDERER = Renderer(
    SemanticIdTable(
        item_ids=["balm", "mask"],
        codes=np.array([[1, 2, 3], [1, 0, 3]], dtype=np.int32),
        codebook_size=4,
        centroids=np.zeros((3, 4, 4), dtype=np.float32),
        names={(1,): "lip care"},
    )
)
LINE = re.compile(
    r"(?P<gap>[^·<]+?)( · (?P<type>[^<]+))?<\|item\|>(?P<item>(<[abc]_\d>){3})"
    r'( · rated (?P<rating>\S+))?( · "(?P<review>[^"]*)")?'
)

# Texts that look like what we write, beside any others.
words = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.lists(
        st.sampled_from(
            ["\n", " · ", "rated 1", "1 week later", "<|item|>", '"', "start", "\u2028"]
        ),
        max_size=5,
    ).map("".join),
)
events = st.builds(
    Event,
    user_id=st.just("u"),
    item_id=st.sampled_from(["balm", "mask"]),
    timestamp=st.integers(0, 10**9),
    event_type=words,
    rating=st.one_of(st.none(), st.floats(-5, 5)),
    title=words,
    review=words,
)


@given(st.lists(events, max_size=6))
def test_a_stream_comes_apart_into_its_events_and_each_into_its_parts(history):
    previous = [None, *(event.timestamp for event in history)]
    segments = [
        RENDERER.event(event, before) for event, before in zip(history, previous, strict=False)
    ]
    header, *lines = (RENDERER.header() + "".join(segments)).split("\n")
    assert header == RENDERER.header()
    assert ["\n" + line for line in lines] == segments
    for event, line in zip(history, lines, strict=True):
        parts = LINE.fullmatch(line)
        assert parts["gap"] in PHRASES
        assert (parts["type"] or "") == quote(event.event_type or "", RENDERER.title_chars)
        assert parts["item"] == sid_text(RENDERER.table.codes_of(event.item_id))
        assert parts["rating"] == (None if event.rating is None else f"{event.rating:g}")
        assert (parts["review"] or "") == quote(event.opinion or "", RENDERER.review_chars)


def test_of_a_review_of_no_length_nothing_is_written():
    event = Event("u", "balm", 0, title="Great", review="Mine")
    bare = replace(RENDERER, review_chars=0)
    assert bare.event(event, None) == RENDERER.event(Event("u", "balm", 0), None)


@given(words, words)
def test_headline_and_review_are_both_in_the_opinion_and_stay_apart(title, review):
    opinion = Event("u", "balm", 0, title=title, review=review).opinion
    title, review = (title or "").strip(), (review or "").strip()
    if title and review:
        between = opinion[len(title) : -len(review)]
        assert opinion.startswith(title) and opinion.endswith(review)
        assert between == (" " if title[-1] in ".!?…:;,。！？।؟" else ". ")
    else:
        assert (opinion or "") == title + review


def test_a_headline_that_ends_by_itself_gets_no_full_stop():
    assert Event("u", "balm", 0, title="Great!", review="Mine").opinion == "Great! Mine"
    assert Event("u", "balm", 0, title="Great", review="Mine").opinion == "Great. Mine"
