"""Values mended on the way: each counted with an example, each to be left undone."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.data.clean import is_tidy, tidy
from genrec.data.markup import strip_markup
from genrec.schema import Item
from tests.data.conftest import all_events

EVENTS = "user_id,item_id,timestamp,rating,review\n"


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (
            "<p><b>Garden Hose</b> of the finest.<br />\n<br />Lasts.</p>",
            "Garden Hose of the finest. Lasts.",
        ),
        (
            "I love it<br /><br /><a data-hook='x' href=\"/dp/B1\">this one</a> br br",
            "I love it this one br br",
        ),
        ("see [[VIDEOID:abc123]]there", "see there"),
        ("<!-- Begin A+ Content --> x", "x"),
        ("<!-- never closed", ""),
        ("<script>var x = '<b>';</script>y<style>b {}</style>", "y"),
        ("</span></span></span>", ""),
        ("var aPageStart = (new Date()).getTime();\nvar ue_t0=1;\n<!-- sp -->", ""),
        ("a < b", "a < b"),
        ("I <3 it, size < 3 in", "I <3 it, size < 3 in"),
        ("<|item|><a_1> <3", "<|item|><a_1> <3"),
        ("a<b and c>d", "a<b and c>d"),
        ("List<String> x", "List<String> x"),
    ],
)
def test_markup(text, bare):
    assert strip_markup(text) == bare


def test_markup_of_amazon_goes(desk):
    meta = {
        "asin": "B1",
        "title": "var aPageStart = (new Date()).getTime();",
        "brand": "\n                \n                by\n                \n                Acme",
        "category": ["Lawn &amp; Garden", "</span></span></span>", '<a href="/gp/x">Hoses</a>'],
        "description": ["<p><b>A  hose</b></p>"],
        "feature": ['<div class="a">Strong</div>', "Size &lt; 3 in"],
    }
    review = {"reviewerID": "u", "asin": "B1", "unixReviewTime": 1400172800, "overall": 3.0}
    review["reviewText"] = "Good<br />&#34;very&#34;"
    events, items = desk.write("r.json", [review]), desk.write("m.json", [meta])
    data, report = desk.prepare(events, items, format="amazon-2018")
    assert data.items == [
        Item(
            "B1",
            brand="Acme",
            categories=("Lawn & Garden", "Hoses"),
            description="A hose",
            text="features: Strong, Size < 3 in",
            attributes={"features": ("Strong", "Size < 3 in")},
        )
    ]
    assert all_events(data)[0].review == 'Good "very"'
    assert report.repaired["markup removed from a text"]["count"] >= 5
    data, report = desk.prepare(events, items, format="amazon-2018", no_repair="html")
    assert "<br />" in all_events(data)[0].review
    assert report.repaired == {}


def test_a_stray_tag_is_text_where_texts_are_not_html(desk):
    rows = "".join(f"u{n},i,{n},,plain\n" for n in range(200))
    path = desk.write("e.csv", EVENTS + rows + "u,i,9,,the <b> tag\n")
    assert all_events(desk.prepare(path)[0])[-1].review == "the <b> tag"
    path = desk.write("e.csv", EVENTS + rows.replace("plain", "<b>bold</b>"))
    data, report = desk.prepare(path)
    assert all_events(data)[0].review == "bold"
    assert report.repaired["markup removed from a text"]["count"] == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("written", "categories"),
    [
        ("['Home & Kitchen', 'Garden']", ("Home & Kitchen", "Garden")),
        ('["Home & Kitchen", "Lighting"]', ("Home & Kitchen", "Lighting")),
        ("Fashion > Men > Hats", ("Fashion", "Men", "Hats")),
        ("['a' 'b c']", ("a", "b c")),
        ("Home|Light", ("Home", "Light")),
        ("[]", ()),
        ("[vinyl] rock", ("[vinyl] rock",)),
        ("3>2", ("3>2",)),
        ("[broken", ("[broken",)),
        ("None", ()),
    ],
)
def test_lists_in_text(desk, written, categories):
    events = desk.write("e.csv", "user_id,item_id,timestamp\nu,x,1600000000\n")
    items = desk.write("i.csv", 'item_id,categories\nx,"' + written.replace('"', '""') + '"\n')
    assert desk.prepare(events, items)[0].items[0].categories == categories
    kept = desk.prepare(events, items, no_repair="lists,null-words")[0].items[0].categories
    assert kept == tuple(written.split("|"))


def test_lists_with_escapes_warn_of_nothing(desk, recwarn):
    desk.write("items.csv", "item_id,categories\nx,\"['a\\d', 'b']\"\n")
    desk.write("events.csv", "user_id,item_id,timestamp\nu,x,1600000000\n")
    data, _ = desk.prepare(desk.root / "events.csv", desk.root / "items.csv")
    assert data.items[0].categories == ("a\\d", "b")
    assert not [w for w in recwarn if "escape" in str(w.message)]


def test_words_for_missing_values(desk):
    path = desk.write("e.csv", EVENTS + "NULL,i,1600000000,,\nu,i,1600000000,nan,\\N\n")
    data, report = desk.prepare(path)
    (event,) = all_events(data)
    assert event.rating is None and event.review is None
    assert report.event_rejects == {"missing user_id": 1}
    assert report.repaired["word for a missing value"]["count"] == 3
    data, report = desk.prepare(path, no_repair="null-words")
    assert [event.user_id for event in all_events(data)] == ["NULL"]
    assert report.event_rejects == {"rating is not a number": 1}


def test_ids_that_were_made_floats(desk):
    events = desk.write(
        "e.csv", EVENTS.replace(",rating,review", "") + "7.0,3.0,1600000000\n8.0,4.5,1600000001\n"
    )
    items = desk.write("i.csv", "item_id,title\n3,Three\n4.5,Half\n")
    data, report = desk.prepare(events, items)
    assert [(event.user_id, event.item_id) for event in all_events(data)] == [
        ("7.0", "3"),
        ("8.0", "4.5"),
    ]
    assert report.repaired == {
        "ID that was made a float": {"count": 1, "example": "'3.0' became '3'"}
    }
    assert "user_id looks like integers" in report.warnings[0]
    more = desk.write("f.csv", "user_id,item_id,timestamp\n7,3,1600000100\n")
    data, report = desk.prepare([events, more], items)
    assert len(data.history("7").events) == 2
    _, report = desk.prepare(events, items, no_repair="float-ids")
    assert report.event_rejects == {"unknown item": 1}


def test_decimal_commas(desk):
    path = desk.write(
        "e.csv", "user_id;item_id;timestamp;rating\n" + "u;i;1600000000;4,5\nu;j;1600000001;5\n"
    )
    data, report = desk.prepare(path)
    assert [event.rating for event in all_events(data)] == [4.5, 5.0]
    assert report.repaired["decimal comma"]["count"] == 1
    _, report = desk.prepare(path, no_repair="decimal")
    assert report.event_rejects == {"rating is not a number": 1}


CHARACTERS = st.sampled_from("ab &<\x00\t\x1f\x7f\x80\x85\x9f\xa0é€—\u2028\u2029\u3000日😀")
TEXTS = st.lists(st.none() | st.text(CHARACTERS, max_size=4), max_size=5)


@given(TEXTS, st.integers(0, 3), st.integers(0, 3))
def test_what_looks_tidy_is_left_alone(texts, start, length):
    """Slices share the bytes of what they were cut from."""
    cut = texts[start : start + length]
    if is_tidy(pa.array(texts, pa.string()).slice(start, length)):
        assert all(tidy(text) == text.strip() for text in cut if text is not None)
    else:
        assert not "".join(filter(None, cut)).isascii() or any(
            "&" in text or not text.isprintable() for text in cut if text
        )


def test_every_part_of_a_category_is_cleaned_and_repairs_are_counted(desk):
    events = desk.write("e.csv", "user_id,item_id,timestamp\nu,x,1\n")
    rows = 'x,"Home &amp; Garden| |NULL|<b>Hoses</b>|Hoses\tgreen"\ny,\nz,A'
    items = desk.write("i.csv", f"item_id,categories\n{rows}\n")
    data, report = desk.prepare(events, items)
    shown = {item.item_id: item.categories for item in data.items}
    assert shown == {"x": ("Home & Garden", "Hoses", "Hoses green"), "y": (), "z": ("A",)}
    assert report.repaired["word for a missing value"]["count"] == 1
