import numpy as np
import pytest

from genrec.errors import DataError
from genrec.schema import Item
from genrec.semantic_ids.extend import (
    add_items,
    place_catalogue,
    remove_items,
    restore_items,
    rewrite_items,
)
from genrec.semantic_ids.table import SemanticIdTable


@pytest.fixture(scope="module")
def table(toy_index):
    return SemanticIdTable.load(toy_index)


def twin_of(item: Item, item_id: str) -> Item:
    return Item(item_id, item.title, item.brand, item.categories, item.description, item.text)


def test_old_ids_never_change_and_none_is_given_twice(table, toy_data):
    new = [twin_of(item, f"twin-{item.item_id}") for item in toy_data.items]
    new += [Item("silent"), Item("strange", title="zzz qqq")]
    grown = add_items(table, new)
    assert np.array_equal(grown.codes[: len(table)], table.codes)
    assert grown.item_ids[: len(table)] == table.item_ids
    assert len({tuple(row) for row in grown.codes.tolist()}) == len(table) + len(new)
    assert len(table) == len(toy_data.items)


def test_a_twin_lands_beside_its_twin(table, toy_data):
    shared = sum(
        add_items(table, [twin_of(item, "twin")]).codes_of("twin")[0]
        == table.codes_of(item.item_id)[0]
        for item in toy_data.items[:60]
    )
    assert shared > 50


def test_one_by_one_and_together_is_the_same(table):
    new = [Item("n1", title="Running Socks"), Item("n2", title="Green Tea")]
    together = add_items(table, new)
    apart = add_items(add_items(table, new[:1]), new[1:])
    assert np.array_equal(together.codes, apart.codes)
    assert add_items(table, []) is table


def test_an_item_may_leave_and_its_place_is_free(table, toy_data):
    gone = toy_data.items[5]
    smaller = remove_items(table, [gone.item_id])
    assert not smaller.knows(gone.item_id)
    assert smaller.item_at(table.codes_of(gone.item_id)) is None
    assert all(smaller.codes_of(i) == table.codes_of(i) for i in smaller.item_ids)


def test_text_vectors_follow_their_items(table, toy_data, tmp_path):
    """They are those of the frozen encoder, for items that come, stay, move or are saved."""
    by_id = dict(zip(table.item_ids, table.text_vectors, strict=True))
    np.testing.assert_allclose(table.text_vectors, table.encoder.encode_text(toy_data.items))
    item = toy_data.items[5]
    grown = add_items(table, [twin_of(item, "twin"), Item("silent")])
    np.testing.assert_allclose(grown.text_vectors[-2], by_id[item.item_id])
    assert not grown.text_vectors[-1].any()
    smaller = remove_items(grown, [table.item_ids[0], "silent"])
    assert len(smaller.text_vectors) == len(smaller)
    for item_id, vector in zip(smaller.item_ids[:-1], smaller.text_vectors, strict=False):
        assert np.array_equal(vector, by_id[item_id])
    restored = restore_items(table, [twin_of(item, "twin")], [grown.codes_of("twin")])
    assert np.array_equal(restored.text_vectors, grown.text_vectors[:-1])
    moved = place_catalogue(table, [twin_of(item, "elsewhere")])
    np.testing.assert_allclose(moved.text_vectors[0], by_id[item.item_id])
    grown.save(tmp_path / "grown")
    assert np.array_equal(SemanticIdTable.load(tmp_path / "grown").text_vectors, grown.text_vectors)


def test_new_words_change_the_text_and_no_id(table, toy_data):
    one, other = toy_data.items[5], toy_data.items[9]
    rewritten = rewrite_items(table, [twin_of(other, one.item_id)])
    assert np.array_equal(rewritten.codes, table.codes)
    np.testing.assert_allclose(rewritten.text_vectors[5], table.text_vectors[9])
    others = np.arange(len(table)) != 5
    assert np.array_equal(rewritten.text_vectors[others], table.text_vectors[others])
    assert not np.array_equal(table.text_vectors[5], rewritten.text_vectors[5])
    assert rewrite_items(table, []) is table
    with pytest.raises(DataError, match="not in the table"):
        rewrite_items(table, [Item("nobody")])


def test_a_grown_table_is_saved_with_its_encoder(table, tmp_path):
    grown = add_items(table, [Item("n1", title="Running Socks")])
    grown.save(tmp_path / "grown")
    again = add_items(SemanticIdTable.load(tmp_path / "grown"), [Item("n2", title="Tea Pot")])
    assert again.codes_of("n1") == grown.codes_of("n1")


def test_what_cannot_be_added_or_removed(table):
    known = table.item_ids[0]
    with pytest.raises(DataError, match=f"'{known}' is in the table already"):
        add_items(table, [Item(known)])
    with pytest.raises(DataError, match="given twice"):
        add_items(table, [Item("n"), Item("n")])
    with pytest.raises(DataError, match="'nobody' is not in the table"):
        remove_items(table, ["nobody"])
    with pytest.raises(DataError, match="keep at least one"):
        remove_items(table, table.item_ids)
    bare = SemanticIdTable(["a"], np.zeros((1, 2), np.int32), 2, np.zeros((2, 2, 1)), {})
    with pytest.raises(DataError, match="without an encoder"):
        add_items(bare, [Item("n")])


def test_a_full_table_says_so(table):
    centroids = table.centroids[:1, :1]
    tiny = SemanticIdTable(["a"], np.zeros((1, 1), np.int32), 1, centroids, {}, table.encoder)
    with pytest.raises(DataError, match="2 items do not fit into 1 IDs"):
        add_items(tiny, [Item("n")])


def test_what_was_added_can_be_placed_again(table):
    new = [Item("n1", title="Running Socks"), Item("n2", title="Green Tea")]
    grown = add_items(table, new)
    codes = [grown.codes_of(item.item_id) for item in new]
    again = restore_items(table, new[::-1], codes[::-1])
    assert [again.codes_of(item.item_id) for item in new] == codes
    assert np.array_equal(again.codes[: len(table)], table.codes)
    assert restore_items(table, [], []) is table


def test_an_id_is_placed_once_and_only_where_there_is_one(table):
    free = add_items(table, [Item("n1")]).codes_of("n1")
    cases = [
        ([Item("n1")], [tuple(table.codes[0].tolist())], "belongs to another"),
        ([Item("n1"), Item("n2")], [free, free], "belongs to another"),
        ([Item("n1")], [(0, 0)], "no ID of this table"),
        ([Item("n1")], [(0, 0, table.codebook_size)], "no ID of this table"),
        ([Item("n1"), Item("n1")], [free, free], "given twice"),
        ([Item(table.item_ids[0])], [free], "in the table already"),
    ]
    for items, codes, reason in cases:
        with pytest.raises(DataError, match=reason):
            restore_items(table, items, codes)
