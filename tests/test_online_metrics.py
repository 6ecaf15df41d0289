"""Online metrics against brute force over small tables, and what must always hold."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from genrec.online_metrics import Act, Page, Training, measure, population_stability
from genrec.online_metrics.drift import code_drift, score_drift
from genrec.online_metrics.figures import gini

WINDOW = (100, 200)
ITEMS = "abcdef"
FOLLOW_S = 30
CODES = {item: index % 3 for index, item in enumerate(ITEMS)}
TYPES = ["view", "purchase", "not_interested", None]
LEARNED = Training({"a": 3}, CODES, 40)


@st.composite
def tables(draw):
    """A few users, pages and events; some of the events name a page, not always one of theirs."""
    users = st.sampled_from(["u", "v", "w", None])
    pages = []
    for number in range(draw(st.integers(0, 8))):
        items = draw(st.permutations(ITEMS))[: draw(st.integers(1, 4))]
        scores = draw(st.lists(st.floats(-5, 0), min_size=len(items), max_size=len(items)))
        shown = tuple(zip(items, scores, strict=True))
        pages.append(Page(f"r{number}", draw(users), draw(st.integers(100, 199)), shown))
    names = st.sampled_from([None, "gone", *(page.recommendation_id for page in pages)])
    acts = [
        Act(
            *(draw(st.sampled_from("uvw")), draw(st.sampled_from(ITEMS + "x"))),
            *(draw(st.integers(95, 240)), draw(st.sampled_from(TYPES))),
            draw(names),
        )
        for _ in range(draw(st.integers(0, 12)))
    ]
    counts = {item: draw(st.integers(0, 4)) for item in ITEMS[:-1]}
    return pages, acts, Training({k: n for k, n in counts.items() if n}, CODES, 40)


def measured(pages, acts, training=LEARNED):
    return measure(WINDOW, pages, acts, training, ("purchase",), follow_s=FOLLOW_S)


@given(tables())
def test_figures_are_those_of_counting_one_by_one(table):
    pages, acts, training = table
    found = measured(pages, acts, training)
    acts = [act for act in acts if act.event_type != "not_interested"]

    def followed(page, item, types):
        return any(
            (act.recommendation_id, act.item_id) == (page.recommendation_id, item)
            and act.event_type in types
            for act in acts
        )

    every, bought = ("view", "purchase", None), ("purchase",)
    shown = [(page, item) for page in pages for item, _ in page.items]
    share = lambda part, whole: part / whole if whole else None  # noqa: E731
    assert found.click_through == share(sum(followed(p, i, every) for p, i in shown), len(shown))
    assert found.conversion == share(sum(followed(p, i, bought) for p, i in shown), len(shown))
    for one in found.ranks:
        there = [(p, p.items[one.rank - 1][0]) for p in pages if len(p.items) >= one.rank]
        assert one.shown == len(there)
        assert one.clicks == sum(followed(p, i, every) for p, i in there)
        assert one.conversions == sum(followed(p, i, bought) for p, i in there)
    clicked = [page for page in pages if any(followed(page, i, every) for i, _ in page.items)]
    assert found.page_click_through == share(len(clicked), len(pages))

    in_order = sorted(pages, key=lambda page: (page.time, page.recommendation_id))
    nexts = []
    for place, page in enumerate(in_order):
        later = [other.time for other in in_order[place + 1 :] if other.user_id == page.user_id]
        end = min([page.time + FOLLOW_S, *later])
        own = [a for a in acts if a.user_id == page.user_id and page.time <= a.time < end]
        if own:
            nexts.append((page, min(own, key=lambda act: act.time).item_id))
    assert found.next_events == len(nexts)
    hits = sum(item in dict(page.items) for page, item in nexts)
    assert found.next_event_hit_rate == share(hits, len(nexts))

    exposures = Counter(item for _, item in shown)
    assert found.coverage == share(len(exposures), len(ITEMS) if pages else 0)
    pairs = [abs(exposures[a] - exposures[b]) for a in ITEMS for b in ITEMS]
    expected = share(sum(pairs), 2 * len(ITEMS) * len(shown))
    assert found.gini == (expected if expected is None else pytest.approx(expected))
    repeats = known = 0
    for place, page in enumerate(in_order):
        if page.user_id is None:
            continue
        before = {i for p in in_order[:place] if p.user_id == page.user_id for i, _ in p.items}
        known += len(page.items)
        repeats += sum(item in before for item, _ in page.items)
    assert found.repeat_rate == share(repeats, known)
    if training.events_of and shown:
        new = sum(not training.events_of.get(item) for _, item in shown)
        assert found.new_item_share == new / len(shown)
    else:
        assert found.new_item_share is None and found.novelty_bits is None
    assert sum(one.shown for one in found.calibration) == sum(len(p.items) for p, _ in nexts)
    learned = Counter()
    for item, count in training.events_of.items():
        learned[CODES[item]] += count
    now = Counter(CODES[a.item_id] for a in acts if 100 <= a.time < 200 and a.item_id in CODES)
    assert found.code_drift == code_drift(learned, now)
    assert found.users == len({page.user_id for page in pages if page.user_id})
    assert found.model_age_s == 160


@given(tables())
def test_shares_are_shares_and_orders_do_not_matter(table):
    pages, acts, training = table
    found = measured(pages, acts, training)
    for name in (
        *("click_through", "conversion", "page_click_through", "next_event_hit_rate", "coverage"),
        *("gini", "new_item_share", "repeat_rate", "calibration_error"),
    ):
        value = getattr(found, name)
        assert value is None or 0 <= value <= 1 + 1e-9, name
    assert found.conversion is None or found.conversion <= found.click_through
    # Of two things done in the same second either may be the next one.
    if len({act.time for act in acts}) == len(acts):
        again = measured(pages[::-1], acts[::-1], training)
        assert again == found


def test_nothing_is_told_from_nothing():
    found = measured([], [], Training())
    assert found.pages == 0 and found.ranks == () and found.calibration == ()
    assert {
        *(found.click_through, found.coverage, found.gini, found.novelty_bits, found.repeat_rate),
        *(found.code_drift, found.score_drift, found.model_age_s, found.calibration_error),
    } == {None}


def test_a_click_counts_once_and_only_on_what_was_shown():
    page = Page("r", "u", 100, (("a", -1.0), ("b", -2.0)))
    twice = [Act("u", "a", 101, "view", "r"), Act("u", "a", 102, "purchase", "r")]
    found = measured([page], [*twice, Act("u", "c", 103, "purchase", "r")])
    assert [(one.clicks, one.conversions) for one in found.ranks] == [(1, 1), (0, 0)]


def test_novelty_is_what_an_item_says_of_itself():
    page = Page("r", "u", 100, (("a", -1.0), ("b", -2.0)))
    found = measured([page], [], Training({"a": 5, "c": 7}, CODES))
    # Of 12 events and one more for each of a, b and c.
    assert found.novelty_bits == pytest.approx(-(math.log2(6 / 15) + math.log2(1 / 15)) / 2)


def test_a_page_that_says_what_comes_is_calibrated_and_one_that_overstates_is_not():
    half = math.log(0.5)
    pages = [Page(f"r{n}", f"u{n}", 100, (("a", half), ("b", half))) for n in range(10)]
    acts = [Act(f"u{n}", "ab"[n % 2], 110) for n in range(10)]
    assert measured(pages, acts).calibration_error == pytest.approx(0)
    sure = [Page(page.recommendation_id, page.user_id, 100, (("c", 0.0),)) for page in pages]
    assert measured(sure, acts).calibration_error == 1.0


def test_gini_of_known_distributions():
    assert gini([]) is None and gini([0, 0]) is None
    assert gini([3, 3, 3]) == pytest.approx(0)
    assert gini([0, 0, 0, 9]) == pytest.approx(0.75)


def test_no_drift_stays_below_the_noise_and_a_planted_one_is_seen():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(32, 5.0))
    seen = 0
    for _ in range(200):
        drift = population_stability(
            rng.multinomial(20_000, shares), rng.multinomial(2_000, shares)
        )
        seen += drift.psi > drift.noise
    assert seen <= 20
    other = rng.multinomial(2_000, np.roll(shares, 1))
    drift = population_stability(rng.multinomial(20_000, shares), other)
    assert drift.psi > 2 * drift.noise
    assert drift.noise == pytest.approx(chi2.ppf(0.95, 31) * (1 / 20_000 + 1 / 2_000))


def test_psi_against_its_formula_and_empty_sides():
    drift = population_stability(np.array([10_000, 30_000]), np.array([20_000, 20_000]))
    assert drift.psi == pytest.approx(0.25 * math.log(2) + 0.25 * math.log(3 / 2), rel=1e-3)
    assert population_stability(np.array([0]), np.array([3])) is None
    assert score_drift(np.array([]), np.array([1.0])) is None
    assert score_drift(np.arange(100.0), np.arange(100.0)).psi == 0
    assert score_drift(np.arange(100.0), np.arange(100.0) + 50).psi > 1
