import numpy as np
import pytest

from genrec.schema import Item
from genrec.semantic_ids.config import TextConfig
from genrec.semantic_ids.text import TfidfEncoder, terms, words


def catalogue(count=60):
    kinds = ["red nail polish", "argan hair oil", "wood plane", "green tea"]
    return [
        Item(f"i{n}", title=f"{kinds[n % 4]} {n // 4}", categories=(kinds[n % 4].split()[-1],))
        for n in range(count)
    ]


def test_terms_hold_words_pairs_and_phrases():
    item = Item("x", "Red Nail-Polish", "OPI", ("Beauty", "Nail Polish"), "a b c", "colour: red")
    found = list(terms(item, max_words=2))
    assert {"red", "red nail", "brand:opi", "category:nail polish", "line:colour red"} <= set(found)
    assert "c" not in found


def test_scripts_without_spaces_are_split():
    assert words("緑茶 Tea") == ["緑", "茶", "tea"]


def test_like_items_are_near_and_vectors_have_length_one():
    items = catalogue()
    vectors = TfidfEncoder.fit(items, TextConfig(), seed=0).encode(items)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    similarity = vectors @ vectors.T
    assert similarity[0, 4] > 0.8
    assert similarity[0, 1] < 0.3


def test_a_later_item_is_encoded_as_its_twin_was():
    items = catalogue()
    encoder = TfidfEncoder.fit(items, TextConfig(), seed=0)
    twin = Item("new", items[0].title, categories=items[0].categories)
    assert np.allclose(encoder.encode([twin])[0], encoder.encode(items)[0], atol=1e-6)


def test_unknown_words_and_no_text_give_zeros():
    encoder = TfidfEncoder.fit(catalogue(), TextConfig(), seed=0)
    assert not encoder.encode([Item("a"), Item("b", title="qwertz")]).any()


@pytest.mark.parametrize("items", [[Item("a"), Item("b")], [Item("a", title="once")]])
def test_a_catalogue_without_common_words_has_width_zero(items):
    encoder = TfidfEncoder.fit(items, TextConfig(), seed=0)
    assert encoder.encode(items).shape == (len(items), 0)


def test_the_vocabulary_keeps_the_most_frequent_terms():
    encoder = TfidfEncoder.fit(catalogue(), TextConfig(max_terms=3), seed=0)
    assert len(encoder.vocabulary) == 3
    assert encoder.vocabulary == sorted(encoder.vocabulary)
