import doctest

import numpy as np

from genrec.schema import Item
from genrec.semantic_ids import report
from genrec.semantic_ids.table import SemanticIdTable


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(report, extraglobs={"np": np}).failed == 0


def test_a_coarse_category_that_all_share_is_passed_over():
    items = [Item(f"i{n}", categories=("All", "AB"[n // 4], "abcd"[n // 2])) for n in range(8)]
    codes = np.array([[n // 4, n // 2, n] for n in range(8)], dtype=np.int32)
    vectors = np.eye(8, dtype=np.float32)
    table = SemanticIdTable([i.item_id for i in items], codes, 8, np.zeros((3, 8, 8)), {})
    made = report.make_report(table, items, vectors, np.arange(8), seed=0)
    assert made.levels[0].coarse_purity.measured == 1.0
    assert made.levels[0].coarse_purity.random < 1.0
    assert made.levels[0].fine_purity.measured == 0.5
    assert made.levels[0].entropy_bits == 1.0
    assert [level.prefixes_used for level in made.levels] == [2, 4, 8]
    assert made.names == (("group 0", 4), ("group 1", 4))
    # The most popular item of each coarse code.
    assert [example.semantic_id for example in made.neighbours] == [(1, 3, 7), (0, 1, 3)]


def test_items_without_categories_or_vectors():
    items = [Item("a"), Item("b")]
    codes = np.array([[0, 0], [0, 1]], dtype=np.int32)
    table = SemanticIdTable(["a", "b"], codes, 2, np.zeros((2, 2, 1)), {})
    made = report.make_report(table, items, np.zeros((2, 1), np.float32), np.zeros(2), seed=0)
    assert made.unknown_items == 2
    assert made.levels[0].coarse_purity is None
    assert made.neighbours == ()
