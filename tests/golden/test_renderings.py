"""What the model reads, character for character. A change here means: train again."""

from dataclasses import replace

import numpy as np
import pytest

from genrec.interests.summary.codec import Statement, WrittenClaim, WrittenSummary
from genrec.interests.summary.templates import wordings
from genrec.schema import Event, History, Item, Request, Search
from genrec.semantic_ids.table import SemanticIdTable
from genrec.stream.render import Renderer
from genrec.stream.templates import LATER, fingerprint, is_current

DAY = 86_400
OLD_FINGERPRINT = "725d74576ff660c0"
"""Of the templates before searches were among them."""


@pytest.fixture(scope="module")
def renderer():
    table = SemanticIdTable(
        item_ids=["balm", "mask"],
        codes=np.array([[17, 203, 9], [17, 88, 140]], dtype=np.int32),
        codebook_size=256,
        centroids=np.zeros((3, 256, 4), dtype=np.float32),
        names={(17,): "lip care"},
    )
    return Renderer(table, review_chars=40)


def test_header(renderer):
    assert renderer.header() == "<|user|>"


def test_the_header_of_somebody_who_says_who_they_are(renderer):
    said = 'I "bake".\n<|item|> and hike'
    assert renderer.header() + renderer.about(said, 24) == '<|user|> "I ”bake”. ‹|item|> and…"'
    assert renderer.about("\x07", 24) == ""


def test_a_bare_event(renderer):
    assert renderer.event(Event("u", "balm", 0), None) == "\nstart<|item|><a_17><b_203><c_9>"


def test_a_full_event(renderer):
    event = Event(
        "u", "mask", 12 * DAY, "purchase", 5.0, "Summer", "smells like summer, not sticky"
    )
    assert renderer.event(event, 0) == (
        "\n1 week later · purchase<|item|><a_17><b_88><c_140> · rated 5 · "
        '"Summer. smells like summer, not sticky"'
    )


def test_a_long_hostile_review(renderer):
    event = Event("u", "balm", DAY, None, 2.5, None, 'bad"\n<|item|><a_1> ' + "x" * 99)
    assert renderer.event(event, 0) == (
        "\n1 day later<|item|><a_17><b_203><c_9> · rated 2.5 · "
        '"bad” ‹|item|>‹a_1> xxxxxxxxxxxxxxxxxxxx…"'
    )


def test_events_stand_on_lines_of_their_own(renderer):
    rated = Event("u", "mask", 0, "purchase", 1.0)
    later = Event("u", "balm", 8 * DAY, "view", None, "Great!", "would buy again")
    stream = renderer.header() + renderer.event(rated, None) + renderer.event(later, 0)
    assert stream == (
        "<|user|>\n"
        "start · purchase<|item|><a_17><b_88><c_140> · rated 1\n"
        '1 week later · view<|item|><a_17><b_203><c_9> · "Great! would buy again"'
    )


def test_the_question(renderer):
    asked = Request(History("u", (Event("u", "mask", 0),)))
    later = replace(asked, at=3 * DAY, event_type="view")
    assert renderer.ask_item(later) == "\n3 days later · view<|item|>"
    assert renderer.ask_item(asked) == "\nright after<|item|>"
    assert renderer.ask_item(Request(History("u", ()))) == "\nstart<|item|>"


def test_a_search(renderer):
    search = Search(2 * DAY, 'warm <|item|> "socks"')
    assert renderer.search(search, 0, 120) == '\n2 days later · search "warm ‹|item|> ”socks”"'
    assert renderer.search(search, None, 6) == '\nstart · search "warm…"'
    assert renderer.search(replace(search, text="\x07"), 0, 120) == ""


def test_the_question_after_a_search(renderer):
    history = History("u", (Event("u", "mask", 0),), (Search(DAY, "socks"),))
    assert renderer.ask_item(Request(history, at=3 * DAY)) == "\n2 days later<|item|>"
    assert renderer.ask_item(Request(history, at=3 * DAY, query="hat")) == "\nright after<|item|>"


def test_a_title_in_the_place_of_an_id(renderer):
    titled = replace(renderer, find_item={"balm": Item("balm", "Lip <b>Balm")}.get)
    assert titled.title("balm") == "<|title|>Lip ‹b>Balm"
    assert renderer.title("balm") == titled.title("mask") == ""


def test_bases_made_before_a_template_was_added_still_read_the_others():
    assert fingerprint(LATER) == OLD_FINGERPRINT
    assert is_current(fingerprint(LATER[1:])) and not is_current(fingerprint(LATER[:1]))
    assert is_current(OLD_FINGERPRINT) and is_current(fingerprint()) and not is_current(None)
    # One that was made after there were searches, and before there were descriptions.
    assert is_current(fingerprint(["stream/about.jinja"]))
    assert not is_current(fingerprint(["stream/search.jinja"]))


def test_titles(renderer):
    assert renderer.item_to_title("balm", "Lip <b>Balm") == (
        "<|item|><a_17><b_203><c_9><|title|>Lip ‹b>Balm<|end|>"
    )
    assert renderer.title_to_item("balm", "Lip Balm") == (
        "<|title|>Lip Balm<|item|><a_17><b_203><c_9>"
    )


def test_a_summary():
    emerging = WrittenClaim(17, ((17, 203, 9), (17, 88, 140)))
    said = (Statement("emerging", 0, (17,)), Statement("fading", 1, (3, 5)))
    written = WrittenSummary(
        {"emerging": (emerging,), "fading": (WrittenClaim(3, ((3, 1, 2),)),)}, said
    )
    assert "".join(written.pieces()) == (
        '{"long_term": [], "recent": [], "emerging": [{"interest": "<a_17>", "events": '
        '["<a_17><b_203><c_9>", "<a_17><b_88><c_140>"]}], "fading": [{"interest": "<a_3>", '
        '"events": ["<a_3><b_1><c_2>"]}], '
        '"summary": "Turning to <a_17>. Less and less <a_3> and <a_5>."}<|end|>'
    )
    assert "".join(WrittenSummary({}).pieces()) == (
        '{"long_term": [], "recent": [], "emerging": [], "fading": [], '
        '"summary": "Not enough history to say."}<|end|>'
    )


def test_the_wordings():
    """What a tuned model may say; a change here means: train again."""
    assert {
        kind: [before + "…" + after for before, after in options]
        for kind, options in wordings().items()
    } == {
        "long_term": [
            "Keeps to ….",
            "Has long cared about ….",
            "Comes back to … time and again.",
            "A lasting interest: ….",
        ],
        "recent": ["Lately it is ….", "Now looks at ….", "Of late busy with …."],
        "emerging": [
            "Turning to ….",
            "A new interest grows: ….",
            "More and more ….",
            "Has begun to explore ….",
        ],
        "fading": ["Moving away from ….", "Less and less ….", "No longer much into …."],
        "returned": ["Back to ….", "Has returned to …."],
    }
