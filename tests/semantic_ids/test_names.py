import numpy as np
import pytest

from genrec.schema import Event, History, Item
from genrec.semantic_ids.names import Namer
from genrec.semantic_ids.phrases import REVIEW_WORD, build_phrases, short_title


def shop():
    """Three kinds of things, eight each, of two makers."""
    kinds = {"Nail Polish": "Lacquer", "Shampoo": "Volume Shampoo", "Coffee": "Dark Roast"}
    return [
        Item(
            item_id=f"{kind}{n}",
            title=f"{('OPI', 'Zoya')[n // 4]} {product} No. {n}, 5 oz",
            brand=("OPI", "Zoya")[n // 4],
            categories=("Shop", kind),
        )
        for kind, product in kinds.items()
        for n in range(8)
    ]


def names_of(items, codes, histories=()):
    namer = Namer(items, build_phrases(items, histories), np.arange(len(items)))
    return namer.name_all(np.asarray(codes, dtype=np.int32))


def test_groups_are_named_after_what_sets_them_apart():
    items = shop()
    codes = [(n // 8, n // 4 % 2, n % 4) for n in range(24)]
    names = names_of(items, codes)
    assert [names[code,].split(" · ")[0] for code in range(3)] == [
        "nail polish",
        "shampoo",
        "coffee",
    ]
    assert "opi" in names[0, 0]
    assert "zoya" in names[0, 1]
    assert not any("shop" in name or "oz" in name for name in names.values())


@pytest.mark.parametrize(
    ("brand", "shown"),
    [
        ("Acme, Inc.", "acme"),
        ("Acme Co", "acme"),
        ("Procter & Gamble Co.", "procter & gamble"),
        ("Needle & Co", "needle & co"),
        ("Barnes & Co., Inc.", "barnes & co"),
        ("Smith and Company", "smith and company"),
        ("Toys &", "toys"),
    ],
)
def test_a_brand_is_shown_without_its_legal_form_unless_that_is_half_of_its_name(brand, shown):
    phrases = build_phrases([Item(f"i{n}", brand=brand) for n in range(2)], ())
    assert phrases.phrases == [shown]


def test_names_are_unique_and_never_empty_even_for_equal_items():
    items = [Item(f"i{n}", title="Same Thing", categories=("Things",)) for n in range(40)]
    names = names_of(items, [(n // 10, n // 2 % 5, n % 2) for n in range(40)])
    assert len(set(names.values())) == len(names) == 4 + 20
    assert all(name.strip() for name in names.values())


def test_the_largest_of_one_kind_has_the_plain_name():
    tea = [Item(f"t{n}", title=f"Tea {n}", categories=("Tea",)) for n in range(8)]
    names = names_of(
        [*shop(), *tea],
        [(0, n, 0) for n in range(24)]
        + [(2, n, 0) for n in range(3)]
        + [(1, n, 0) for n in range(5)],
    )
    assert names[1,] == "tea"
    assert names[2,].startswith("tea · ")


def test_without_words_a_group_has_a_number():
    names = names_of([Item("a"), Item("b"), Item("c")], [(17, 0, 0), (17, 0, 1), (4, 1, 0)])
    assert names[17,] == "group 17"
    assert names[17, 0] == "group 17.0"


def test_reviews_lend_their_words_to_items_without_text():
    items = [Item(f"i{n}") for n in range(8)]
    events = [
        Event("u", f"i{n}", 0, review="smells of mint" if n < 4 else "the blade is sharp")
        for n in range(8)
        for _ in range(2)
    ]
    phrases = build_phrases(items, [History("u", tuple(events))])
    assert set(phrases.fields) == {REVIEW_WORD}
    names = names_of(items, [(n // 4, n % 4, 0) for n in range(8)], [History("u", tuple(events))])
    assert {"mint", "smells"} & set(names[0,].split(" · "))
    assert {"blade", "sharp"} & set(names[1,].split(" · "))


def test_small_groups_are_named_after_their_parent():
    names = names_of(shop(), [(n // 8, n % 8, 0) for n in range(24)])
    assert all(names[code, 0].startswith(names[code,]) for code in range(3))


def test_titles_are_cut_to_their_telling_start():
    assert short_title(Item("a", title="Fargo (1996)")) == ("fargo", True)
    assert short_title(Item("a", title="Acme A13 Blow Dryer with Cord and Bag")) == (
        "acme blow dryer",
        False,
    )
    assert short_title(Item("a", brand="OPI")) == ("opi", True)
    assert short_title(Item("a")) == ("", True)


def test_no_name_can_hold_a_special_token():
    items = [
        Item(
            f"i{n}", title="Tea <|item|><a_1>", brand="<|user|>", categories=("<a_17>", "<b_2> x|y")
        )
        for n in range(4)
    ]
    names = names_of(items, [(n // 2, n % 2, 0) for n in range(4)])
    assert not set("<>|") & set("".join(names.values()))
