"""Whatever a real ranking scores is possible; what is moved beyond its digits is not."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from genrec.evaluate.checks.bounds import allowed_range, find_culprits, is_possible
from genrec.evaluate.checks.report_table import Cell
from genrec.metrics import accuracy, mark_hits

CUTOFFS = (1, 3, 5, 10, 20)
ranks = st.lists(st.integers(0, 25), min_size=1, max_size=40)
cutoffs = st.lists(st.sampled_from(CUTOFFS), min_size=1, unique=True)
digits = st.integers(2, 5)


def cells_of(ranks: list[int], cutoffs, digits: int) -> list[Cell]:
    """Return what a paper prints for users whose one target stands at these ranks."""
    num_targets = np.ones(len(ranks), dtype=int)
    found = accuracy(mark_hits(np.array(ranks), num_targets, 25), num_targets, cutoffs)
    return [printed(name, array.mean(), digits) for name, array in found.items()]


def printed(name: str, value: float, digits: int) -> Cell:
    metric, k = name.split("@")
    text = f"{value:.{digits}f}"
    return Cell(metric, int(k), float(text), 0.5 * 10**-digits, text)


def moved(cell: Cell, value: float) -> Cell:
    return Cell(cell.metric, cell.k, value, cell.slack, f"{value:.5f}")


@settings(max_examples=60, deadline=None)
@given(ranks, cutoffs, digits)
def test_every_real_ranking_is_possible(ranks, cutoffs, digits):
    cells = cells_of(ranks, cutoffs, digits)
    assert is_possible(cells)
    assert find_culprits(cells) == []


@settings(max_examples=60, deadline=None)
@given(ranks, cutoffs, digits, st.data())
def test_a_cell_moved_out_of_its_range_is_refused(ranks, cutoffs, digits, data):
    cells = cells_of(ranks, cutoffs, digits)
    place = data.draw(st.integers(0, len(cells) - 1))
    cell, others = cells[place], cells[:place] + cells[place + 1 :]
    low, high = allowed_range(cell, others)
    assert low - cell.slack - 1e-5 <= cell.value <= high + cell.slack + 1e-5
    up = data.draw(st.booleans())
    beyond = high + cell.slack + 1e-4 if up else low - cell.slack - 1e-4
    assert not is_possible([moved(cell, beyond), *others])


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 1), st.floats(0, 1), st.integers(2, 20))
def test_one_cutoff_is_the_textbook_bound(recall, ndcg, k):
    """Recall@k / log2(k + 1) <= NDCG@k <= Recall@k."""
    low, high = recall / math.log2(k + 1), recall
    assume(min(abs(ndcg - low), abs(ndcg - high)) > 1e-4)
    cells = [Cell("recall", k, recall, 0, ""), Cell("ndcg", k, ndcg, 0, "")]
    assert is_possible(cells) == (low < ndcg < high)


@settings(max_examples=60, deadline=None)
@given(ranks, st.integers(1, 9), st.integers(1, 15), st.floats(-0.2, 0.5))
def test_two_cutoffs_are_the_textbook_bound(ranks, a, width, rise):
    """NDCG may rise from a to b by what the hits between them are worth, and by no more."""
    b = a + width
    found = {cell.title: cell for cell in cells_of(ranks, (a, b), 9)}
    hits = found[f"Recall@{b}"].value - found[f"Recall@{a}"].value
    low, high = hits / math.log2(b + 1), hits / math.log2(a + 2)
    assume(min(abs(rise - low), abs(rise - high)) > 1e-4)
    cells = [found[f"Recall@{a}"], found[f"Recall@{b}"], found[f"NDCG@{a}"]]
    claimed = moved(found[f"NDCG@{b}"], found[f"NDCG@{a}"].value + rise)
    assert is_possible([*cells, claimed]) == (low < rise < high)


def test_very_long_lists_are_no_harder():
    cells = [Cell("recall", 10**9, 0.9, 0, ""), Cell("recall", 10, 0.1, 0, "")]
    low, high = allowed_range(Cell("ndcg", 10**9, 0.5, 0, ""), cells)
    assert low == pytest.approx(0.1 / math.log2(11) + 0.8 / math.log2(10**9 + 1), abs=1e-5)
    assert high == pytest.approx(0.1 + 0.8 / math.log2(12), abs=1e-5)


def test_one_long_list_has_the_textbook_bound():
    recall = Cell("recall", 5000, 0.5, 0, "")
    found = allowed_range(Cell("ndcg", 5000, 0.2, 0, ""), [recall])
    assert found == pytest.approx((0.5 / math.log2(5001), 0.5), abs=1e-5)


@pytest.mark.parametrize("metric", ["recall", "ndcg", "mrr"])
def test_nobody_is_counted_twice(metric):
    """All of the users have their target at rank 1 at best."""
    assert allowed_range(Cell(metric, 10, 0.5, 0, ""), []) == pytest.approx((0, 1))
    recall = Cell("recall", 10, 1.0, 0, "")
    low, high = allowed_range(Cell("mrr", 10, 0.5, 0, ""), [recall])
    assert (low, high) == pytest.approx((0.1, 1), abs=1e-5)


def test_the_wrong_cell_is_named():
    cells = cells_of([1, 2, 3, 4, 6, 8, 9, 0, 0, 0, 0, 0], (1, 3, 5, 10), 4)
    wrong = [moved(cell, cell.value + 0.1) if cell.title == "NDCG@5" else cell for cell in cells]
    assert [[cell.title for cell in dropped] for dropped in find_culprits(wrong)] == [["NDCG@5"]]


def test_digits_decide_how_much_is_forgiven():
    """At rank 10 alone: NDCG is 0.28906 of Recall, and 0.0289 is not 0.02800."""
    recall = Cell("recall", 10, 0.1, 0, "0.1")
    assert not is_possible([recall, Cell("ndcg", 10, 0.028, 0.00005, "0.0280")])
    assert is_possible([recall, Cell("ndcg", 10, 0.028, 0.005, "0.03")])


@pytest.mark.parametrize(("mrr", "possible"), [(0.009, False), (0.02, True), (0.101, False)])
def test_mrr_has_bounds_too(mrr, possible):
    recall = Cell("recall", 10, 0.1, 0, "")
    assert is_possible([recall, Cell("mrr", 10, mrr, 0, "")]) == possible


def test_ndcg_and_mrr_bind_each_other():
    """Both hits at rank 2: NDCG 0.63, MRR 0.5; with this NDCG an MRR of 0.9 cannot be."""
    cells = [Cell("recall", 10, 1.0, 0, ""), Cell("ndcg", 10, 0.6309, 1e-4, "")]
    assert is_possible([*cells, Cell("mrr", 10, 0.5, 1e-4, "")])
    assert not is_possible([*cells, Cell("mrr", 10, 0.9, 1e-4, "")])
