"""How often ranks are looked at: planted chances are found, whatever the items are worth."""

from itertools import permutations
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.experiments import propensities
from genrec.online_metrics import Act, Page, Training, measure
from genrec.online_metrics.examination import FEWEST_CLICKS, examination, stand_chances
from genrec.rules.exploring import try_out
from genrec.schema import RULE, Draw, Recommendation

K, CANDIDATES = 4, 6
PLANTED = [1.0, 0.55, 0.4, 0.1]


@settings(deadline=None, max_examples=50)
@given(st.floats(0.05, 1), st.integers(1, 5), st.data())
def test_chances_of_every_rank_are_those_of_all_lists_added_up(rate, candidates, data):
    k = data.draw(st.integers(1, candidates))
    expected = np.zeros((k, candidates))
    for shown in permutations(range(candidates), k):
        chance = prod(propensities(shown, range(candidates), rate))
        expected[range(k), list(shown)] += chance
    np.testing.assert_allclose(stand_chances(rate, candidates, k), expected, atol=1e-9)


def ranking(count=CANDIDATES):
    return [Recommendation(f"i{n}", n + 1, -float(n)) for n in range(count)]


def log_of(num_pages, rates, seed=0):
    """Pages of users who click what they look at as often as it is worth, and what they clicked."""
    rng = np.random.default_rng(seed)
    pages, acts = [], []
    for number in range(num_pages):
        shown = try_out(ranking(), K, rates[number % len(rates)], rng)
        items = tuple((item.item_id, item.score) for item in shown)
        page = Page(f"r{number}", f"u{number}", 100, items, tuple(item.draw for item in shown))
        pages.append(page)
        # The best items are worth most: without swaps, ranks and worth could not be told apart.
        worth = [0.8 * 0.75 ** int(item.item_id[1:]) for item in shown]
        clicks = rng.random(K) < np.array(PLANTED) * worth
        acts += [
            Act(page.user_id, items[rank][0], 200, "view", page.recommendation_id)
            for rank in np.flatnonzero(clicks)
        ]
    return pages, acts


def test_planted_examination_is_found_and_corrects_clicks():
    pages, acts = log_of(30_000, (0.2, 0.5))
    figures = measure((0, 1000), pages, acts, Training(), ())
    found = [one.examination for one in figures.ranks]
    assert found == pytest.approx(PLANTED, rel=0.15)
    worth = np.mean([0.8 * 0.75 ** int(name[1:]) for page in pages for name, _ in page.items])
    assert figures.corrected_click_through == pytest.approx(worth, rel=0.08)
    assert figures.click_through < 0.6 * worth


def test_without_swaps_or_with_few_nothing_is_said():
    still = [Page("r", "u", 1, (("i0", 0.0), ("i1", -1.0)))]
    figures = measure((0, 9), still, [Act("u", "i0", 2, None, "r")], Training(), ())
    assert [one.examination for one in figures.ranks] == [None, None]
    assert figures.corrected_click_through is None and figures.click_through == 0.5
    few, acts = log_of(FEWEST_CLICKS, (0.2,))
    figures = measure((0, 1000), few, acts, Training(), ())
    assert [one.examination for one in figures.ranks] == [1.0, None, None, None]


def test_no_pages_no_examination():
    assert examination([], set()) == []


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 6), st.floats(0.01, 1), st.integers(0, 99))
def test_a_list_that_chance_touches_keeps_its_pins_and_says_how_likely_it_was(k, rate, seed):
    listed = ranking()
    pinned = min(2, k - 1)
    listed[pinned] = Recommendation("pin", pinned + 1, -9.0, placed_by=RULE)
    shown = try_out(listed, k, rate, np.random.default_rng(seed))
    assert [item.rank for item in shown] == list(range(1, k + 1))
    assert len({item.item_id for item in shown}) == k
    assert shown[pinned].item_id == "pin" and shown[pinned].draw is None
    free = [item.item_id for item in listed if item.item_id != "pin"]
    drawn = [item for item in shown if item.item_id != "pin"]
    chances = propensities([item.item_id for item in drawn], free, rate)
    assert [item.draw for item in drawn] == [
        Draw(chance, free.index(item.item_id) + 1, rate, len(free))
        for item, chance in zip(drawn, chances, strict=True)
    ]
    as_ranked = [item.item_id for item in drawn] == free[: len(drawn)]
    assert as_ranked == all(item.brought_by != "exploration" for item in drawn)
