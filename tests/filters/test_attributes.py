"""Attributes from files to masks: what a column holds, and what becomes of added items."""

import numpy as np
import pandas as pd
import pytest

from genrec.data import Dataset
from genrec.data.prepare import prepare
from genrec.errors import DataError
from genrec.filters import ItemAttributes, read_filter
from genrec.filters.attributes import Part
from genrec.filters.columns import make_column
from genrec.frames.read import as_frame, read_items
from genrec.recommender import Recommender
from genrec.schema import Item


def passing(attributes, item_ids, where):
    mask = attributes.mask(read_filter(where))
    return [item_id for item_id, passes in zip(item_ids, mask, strict=True) if passes]


def test_a_number_beyond_all_bounds_is_no_value():
    for huge in (10**400, -(10**400), "9" * 400, 1e301):
        column = make_column([huge, 3.0])
        assert np.isnan(column.values[0]) and column.values[1] == 3.0
        assert make_column([huge, None]) is None
    # Beside a text all are texts.
    assert make_column([10**20, "n/a"]).texts == ["100000000000000000000", "n/a"]
    assert "colours" not in Part([Item("a", attributes={"colours": ()})]).names


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2.5, None], "numbers"),
        (["12.50", "$1,299.00", "-3", "1e-05"], "numbers"),
        (["0912", "1"], "texts"),
        (["12", "n/a"], "texts"),
        ([True, False, None], "texts"),
        ([("a", "b"), ()], "texts"),
    ],
)
def test_a_column_is_of_numbers_where_all_are(values, kind):
    assert make_column(values).kind == kind


@pytest.mark.parametrize(
    ("where", "hint"),
    [
        ({"categories": "TEA"}, "no item has categories 'TEA', did you mean 'Tea'?"),
        ({"not": {"categories": {"all": ["Tea", "Tee"]}}}, "'Tee', did you mean 'Tea'?"),
        ({"any": [{"brand": "Zzz"}, {"price": 3}]}, "no item has brand 'Zzz'; no item has price 3"),
        ({"categories": {"any": ["Tea"], "none": ["Moon"]}, "price": {"lt": 1}}, ""),
    ],
)
def test_values_that_no_item_has_are_told_with_those_like_them(where, hint):
    items = [Item("a", "A", "Acme", ("Tea",), attributes={"price": 2.0}), Item("b")]
    told = ItemAttributes(["a", "b"], [Part(items)]).hint(read_filter(where))
    assert told == hint if not hint.startswith("'") else hint in told


def test_nothing_is_no_column():
    assert make_column([None, None]) is None and make_column([()]) is None


def test_columns_of_a_csv_file_are_attributes(tmp_path):
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu,a,1\nu,b,2\nu,c,3\n")
    (tmp_path / "items.csv").write_text(
        "item_id,title,price,stock,colour\na,A,12.50,true,red\nb,B,,false,\nc,C,3,true,blue\n"
    )
    prepare(tmp_path / "events.csv", tmp_path / "items.csv", tmp_path / "data")
    items = Dataset.load(tmp_path / "data").items
    assert items[1].attributes == {"stock": "false"}
    item_ids = [item.item_id for item in items]
    attributes = ItemAttributes(item_ids, [Part(items)])
    assert passing(attributes, item_ids, {"price": {"lt": 12.5}}) == ["c"]
    assert passing(attributes, item_ids, {"stock": True}) == ["a", "c"]
    assert passing(attributes, item_ids, {"colour": {"none": ["red"]}}) == ["b", "c"]
    assert passing(attributes, item_ids, {"colour": {"gte": "c"}}) == ["a"]


def test_columns_of_a_frame_are_attributes():
    frame = pd.DataFrame({"item_id": ["a", "b"], "price": [1.5, np.nan], "tags": [["x"], ["y"]]})
    items = read_items(as_frame(frame, "items"))
    assert [item.attributes for item in items] == [
        {"price": 1.5, "tags": ("x",)},
        {"tags": ("y",)},
    ]


def test_of_an_item_that_is_said_twice_the_last_counts():
    old = [Item("a", attributes={"price": 1}), Item("b", attributes={"price": 2})]
    new = [Item("b", attributes={"price": 9}), Item("c", attributes={"price": 3, "colour": "red"})]
    item_ids = ["c", "b", "a", "d"]
    attributes = ItemAttributes(item_ids, [Part(old), Part(new)])
    assert passing(attributes, item_ids, {"price": {"lt": 3}}) == ["a"]
    assert passing(attributes, item_ids, {"price": {"exists": False}}) == ["d"]
    assert passing(attributes, item_ids, {"colour": {"none": ["red"]}}) == ["b", "a", "d"]
    assert attributes.texts("price", 1) == ("9",) and attributes.texts("price", 3) == ()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ([], "give an object"),
        ({"not": 3}, "filters.not"),
        ({"any": {}}, "a list of filters"),
        ({"price": {}}, "filters.price is empty"),
        ({"price": {"near": 3}}, "no condition 'near'"),
        ({"price": {"lte": None}}, "filters.price.lte"),
        ({"price": {"lte": float("nan")}}, "finite"),
        ({"price": {"lte": 10**400}}, "finite"),
        ({"price": {"lte": True}}, "a number or text"),
        ({"price": {"exists": 1}}, "True or False"),
        ({"price": {"any": "x"}}, "a list of values"),
        ({"price": [[1]]}, "filters.price.0"),
        ({"brand": "\ud800"}, "surrogate"),
    ],
)
def test_what_is_no_filter_is_told(where, words):
    with pytest.raises(DataError, match=words):
        read_filter(where)


def test_filters_of_any_depth_and_size_end():
    deep = {"brand": "x"}
    for _ in range(50):
        deep = {"not": deep}
    with pytest.raises(DataError, match="deep"):
        read_filter(deep)
    with pytest.raises(DataError, match="at most"):
        read_filter({"brand": [str(n) for n in range(20_000)]})


def test_items_may_come_and_go(shop_run):
    shop = Recommender.from_pretrained(shop_run, "cpu", num_beams=18)
    where = {"brand": "Eider", "price": {"lte": 3}}
    assert len(shop.passing({"brand": {"none": ["Eider"]}})) == 18
    item = Item(
        "n1", "Tea urn", "Eider", ("Kitchen", "Tea"), attributes={"price": 2, "stock": True}
    )
    shop.add_items([item])
    assert [one.item_id for one in shop.recommend("u1", k=1, filters=where)] == ["n1"]
    assert set(shop.passing({"new": True})) >= {"n1"}
    shop.remove_items(["n1", "i0"])
    assert set(shop.passing({"stock": {"exists": True}})) == {f"i{n}" for n in range(1, 18)}


def test_attributes_travel_with_a_saved_model(shop, tmp_path):
    saved = Recommender.from_pretrained(shop.save_pretrained(tmp_path / "model"), "cpu")
    assert saved.items == shop.items
    assert set(saved.passing({"price": {"lte": 10}})) == set(shop.passing({"price": {"lte": 10}}))


def test_similar_items_are_the_nearest_that_pass(shop):
    where = {"categories": "Garden"}
    vectors = shop.table.text_vectors
    own = shop.table.index_of("i2")
    garden = [shop.table.index_of(item_id) for item_id in shop.passing(where) if item_id != "i2"]
    expected = sorted((vectors[garden] @ vectors[own]).tolist(), reverse=True)[:4]
    found = shop.similar_to("i2", 4, "text", where)
    assert [one.score for one in found] == pytest.approx(expected)
    with pytest.raises(DataError, match="by='words'"):
        shop.similar_items("i2", by="words")
