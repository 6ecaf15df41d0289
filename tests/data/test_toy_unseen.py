"""What the toy shop has not seen: about things that it sells, in words that it does not use."""

import re

from genrec.data.toy.catalogue import load_catalogue
from genrec.data.toy.unseen import load_new_items, load_wishes

CATALOGUE = load_catalogue(6)


def words(text):
    """Return what carries meaning; short words join others."""
    return set(re.findall(r"[a-z]{5,}", text.lower()))


def test_new_items_are_of_themes_of_the_shop_and_of_no_other():
    new = load_new_items(CATALOGUE)
    themes = [theme for _, theme in new]
    assert {theme.name for theme in CATALOGUE.themes} == set(themes) and len(new) == 12
    assert len({item.item_id for item, _ in new}) == 12
    assert not {item.item_id for item, _ in new} & set(CATALOGUE.index_of)
    assert len(load_new_items(load_catalogue(12))) == 12


def test_new_items_share_hardly_a_word_with_their_kind():
    for new, theme in load_new_items(CATALOGUE):
        kind = [item for item in CATALOGUE.items if theme in item.categories]
        known = words(" ".join(f"{item.title} {item.description}" for item in kind))
        assert len(words(f"{new.title} {new.description}") & known) <= 1, new


def test_wishes_do_not_name_what_they_want():
    wishes = load_wishes(CATALOGUE)
    assert len(wishes) == 12
    for review, item in wishes:
        assert not words(review) & words(f"{item.title} {item.description}"), item
