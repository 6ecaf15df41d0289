import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.metrics import (
    CUTOFFS,
    NO_ITEM,
    accuracy,
    coverage,
    cutoffs_within,
    find_ranks,
    mark_duplicates,
    mark_hits,
    rate,
)


def judge(ranked: list[int], targets: set[int], cutoffs=CUTOFFS) -> dict[str, float]:
    num_targets = np.array([len(targets)])
    ranks = find_ranks(np.array([ranked], dtype=int), [targets])
    values = accuracy(mark_hits(ranks, num_targets, len(ranked)), num_targets, cutoffs)
    return {name: float(array[0]) for name, array in values.items()}


def test_one_target_by_hand():
    found = judge([7, 3, 9, 4, 5], {9})
    assert found["recall@1"] == found["ndcg@1"] == found["mrr@1"] == 0
    assert found["recall@5"] == 1
    assert found["ndcg@5"] == pytest.approx(1 / math.log2(4))
    assert found["mrr@5"] == found["mrr@20"] == pytest.approx(1 / 3)


def test_several_targets_by_hand():
    found = judge([1, 8, 2, 9, 0], {1, 2, 3})
    assert found["recall@1"] == pytest.approx(1 / 3)
    assert found["ndcg@1"] == 1
    assert found["recall@5"] == pytest.approx(2 / 3)
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["ndcg@5"] == pytest.approx((1 + 1 / math.log2(4)) / ideal)
    assert found["mrr@20"] == 1


def test_more_targets_than_places_can_still_be_ideal():
    assert judge([1, 2, 3, 4, 5], {1, 2, 3, 4, 5, 6, 7, 8})["ndcg@5"] == pytest.approx(1)


def test_duplicates_hit_once_and_empty_places_never():
    ranked = np.array([[4, 4, NO_ITEM, NO_ITEM, 2]])
    assert mark_duplicates(ranked).tolist() == [[False, True, False, False, False]]
    ranks = find_ranks(ranked, [[4, 2]])
    assert ranks.tolist() == [1, 5]
    assert mark_hits(ranks, np.array([2]), 5).tolist() == [[True, False, False, False, True]]


def test_hits_belong_to_their_user():
    ranks = find_ranks(np.array([[1, 2], [1, 2]]), [[1], [3, 2]])
    assert ranks.tolist() == [1, 0, 2]
    assert mark_hits(ranks, np.array([1, 2]), 2).tolist() == [[True, False], [False, True]]
    assert mark_hits(ranks, np.array([1, 2]), 1).tolist() == [[True], [False]]


def test_coverage_counts_items_and_not_empty_places():
    ranked = np.array([[0, 1, NO_ITEM], [1, 2, 3]])
    assert coverage(ranked, 8, 1) == 2 / 8
    assert coverage(ranked, 8, 3) == 4 / 8


@st.composite
def questions(draw):
    ranked = draw(st.lists(st.integers(NO_ITEM, 12), max_size=24))
    targets = draw(st.sets(st.integers(0, 12), min_size=1, max_size=6))
    return ranked, targets


def brute_force(ranked: list[int], targets: set[int], k: int) -> tuple[float, float, float]:
    found, gain, first = set(), 0.0, 0.0
    for rank, item in enumerate(ranked[:k], start=1):
        if item in targets and item not in found:
            found.add(item)
            gain += 1 / math.log2(rank + 1)
            first = first or 1 / rank
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(targets)) + 1))
    return len(found) / len(targets), gain / ideal, first


@given(questions())
def test_equals_a_brute_force_count(question):
    ranked, targets = question
    found = judge(ranked, targets, range(1, 25))
    for k in range(1, 25):
        values = [found[f"{name}@{k}"] for name in ("recall", "ndcg", "mrr")]
        assert values == pytest.approx(brute_force(ranked, targets, k))


@given(questions())
def test_stays_within_bounds_and_never_falls_with_k(question):
    ranked, targets = question
    found = judge(ranked, targets, range(1, 25))
    assert all(0 <= value <= 1 + 1e-12 for value in found.values())
    for k in range(1, 24):
        assert found[f"recall@{k}"] <= found[f"recall@{k + 1}"]
        assert found[f"mrr@{k}"] <= found[f"mrr@{k + 1}"]


@given(questions(), st.integers(0, 12))
def test_with_one_target_ndcg_lies_between_mrr_and_recall(question, target):
    found = judge(question[0], {target}, range(1, 25))
    for k in range(1, 25):
        assert found[f"mrr@{k}"] <= found[f"ndcg@{k}"] + 1e-12
        assert found[f"ndcg@{k}"] <= found[f"recall@{k}"] + 1e-12


def test_lists_are_judged_at_the_cutoffs_that_they_reach():
    assert cutoffs_within(20) == [1, 5, 10, 20] and cutoffs_within(10) == [1, 5, 10]
    assert cutoffs_within(7) == [1, 5]


def test_a_rate_of_nothing_is_zero():
    assert rate(0, 0) == 0 and rate(1, 4) == 0.25
