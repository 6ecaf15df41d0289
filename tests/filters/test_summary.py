"""What there is to choose from: counts beside those of plain loops."""

from collections import Counter

from genrec.filters import ItemAttributes
from genrec.filters.attributes import Part, value_of
from genrec.filters.summary import summarise
from genrec.schema import Item
from tests.little_shop import shop_items

FIELDS = ("item_id", "title", "brand", "categories")


def to_item(row):
    attributes = {name: value for name, value in row.items() if name not in FIELDS}
    attributes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes.items()
    }
    return Item(
        row["item_id"],
        row["title"],
        row["brand"],
        tuple(row["categories"]),
        **{"attributes": attributes},
    )


def counted(items, name):
    """Count the items of each value, one by one."""
    counts = Counter()
    for item in items:
        value = value_of(item, name)
        each = value if isinstance(value, tuple) else () if value is None else (value,)
        counts.update(str(one).lower() if isinstance(one, bool) else one for one in each)
    return counts


def test_every_attribute_with_the_number_of_its_items():
    items = [to_item(row) for row in shop_items()]
    found = summarise(ItemAttributes([item.item_id for item in items], [Part(items)]), 100)
    assert [one.name for one in found] == ["brand", "categories", "price", "stock", "tags"]
    for one in found:
        wanted = counted(items, one.name)
        assert dict(one.values) == wanted and one.num_values == len(wanted)
        assert [count for _, count in one.values] == sorted(wanted.values(), reverse=True)
        assert one.num_items == sum(value_of(item, one.name) not in (None, ()) for item in items)
    prices = next(one for one in found if one.name == "price")
    assert (prices.kind, prices.least, prices.most) == ("numbers", 0.5, 30.5)


def test_of_an_item_in_two_parts_the_last_counts():
    old = [Item("a", brand="Acme"), Item("b", brand="Birch")]
    new = [Item("a", brand="Birch"), Item("c", brand="Crane")]
    attributes = ItemAttributes(["a", "b", "c"], [Part(old), Part(new)], {"new": lambda: [1, 1, 0]})
    brands, computed = summarise(attributes, 1)
    assert (brands.num_items, brands.num_values, brands.values) == (3, 2, (("Birch", 2),))
    assert (computed.name, computed.kind, computed.values) == ("new", "numbers", ((1.0, 2),))
