"""What a notebook shows: every value as the text it is, whoever wrote it."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.display import MOST_ROWS, Table, to_html
from genrec.frames.show import NextInterests, Recommendations
from genrec.graph import find_communities, graph_histories
from genrec.interests.explain.deletion import Effect, Explanation
from genrec.interests.summary.check import Summary
from genrec.interests.timeline.evolution import Evolution
from genrec.schema import Event, History, Interest, Item, Recommendation
from genrec.semantic_ids.table import SemanticIdTable

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[/b] [bold]",
    "</td></table><h1>",
    "$5 and $x^2$",
    "&lt;b&gt; &amp;",
    "{{ 7 * 7 }}",
    "tea\n</p>\0",
]
TAGS = {"div", "p", "table", "caption", "thead", "tbody", "tr", "th", "td"}


class Reader(HTMLParser):
    """Reads as a browser does: the tags, and the text between them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple]] = []
        self.text = ""
        self.depth = 0

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(attrs)))
        self.depth += 1

    def handle_endtag(self, tag):
        self.depth -= 1

    def handle_data(self, data):
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.depth == 0
    assert {tag for tag, _ in reader.tags} <= TAGS
    assert all(not attributes for tag, attributes in reader.tags if tag != "div")
    # Of notebooks that set formulas between dollar signs, in outputs too.
    assert reader.tags[0] == ("div", (("class", "tex2jax_ignore mathjax_ignore"),))
    return reader


def everything(text: str) -> list:
    """One of each that people look at, with a text of a stranger wherever one may stand."""
    event = Event(text, text, 86_400, text, 3.0, text, text)
    interest = Interest(text, (0,), 0.5, "steady", 1.0, 0, 86_400, 0, (event,))
    effect = Effect(0, event, text, 1.5)
    table = SemanticIdTable(
        [text, "other"], np.array([[0, 0], [1, 0]]), 2, np.zeros((2, 2, 1), np.float32),
        {(0,): text, (1,): f"more {text}", (0, 0): text, (1, 0): text},
    )  # fmt: skip
    graph = graph_histories(
        [History(text, (event, Event(text, "other", 90_000)))], table, None, [Item(text, text)]
    )
    return [
        Recommendations([Recommendation(text, 1, -1.0, text)]),
        NextInterests([(text, 0.5)]),
        History(text, (event,)),
        Summary(text, (interest,)),
        Evolution(
            text, (event,), ((0,),), (text,), np.ones((2, 1)), np.zeros(1, dtype=int), None,
            (interest,),
        ),
        Explanation(text, text, -1.0, -2.0, (effect,), 0, (effect,), 1.5, text, (0,), text),
        graph.neighbours(graph.node("user", text)),
        find_communities(graph),
    ]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_strangers_text_is_text(text):
    for each in everything(text):
        # What a browser makes of a zero byte is its own business; the parser leaves it.
        assert text in read(each._repr_html_()).text, type(each)


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=5), st.text(), st.text())
def test_all_text_comes_back(rows, caption, paragraph):
    # HTML has one kind of line end.
    def lines(text):
        return text.replace("\r\n", "\n").replace("\r", "\n")

    reader = read(to_html([paragraph, Table(("a", "<b>"), rows, caption)]))
    expected = paragraph + caption + "a<b>" + "".join(cell for row in rows for cell in row)
    assert lines(reader.text) == lines(expected)


@pytest.mark.parametrize("count", [0, 1, MOST_ROWS, MOST_ROWS + 1, 10_000])
def test_long_tables_are_cut_in_the_middle(count):
    html = to_html([Table(("n", "m"), ((f"<{n}>", "") for n in range(count)))])
    assert html.count("<tr>") == min(count, MOST_ROWS + 1) + 1
    if count > MOST_ROWS:
        assert f"… {count - MOST_ROWS:,} more" in html and f"&lt;{count - 1}&gt;" in html


def test_a_graph_tells_its_size():
    table = SemanticIdTable([], np.empty((0, 3), np.int32), 2, np.zeros((3, 2, 1)), {})
    graph = graph_histories([], table)
    assert "0 users" in repr(graph) and "user-item" in read(graph._repr_html_()).text
