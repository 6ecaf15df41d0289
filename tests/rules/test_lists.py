"""Random filters, rules, histories and k: every list keeps them all, and none is better."""

import os
from functools import cache
from itertools import combinations
from math import log

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.errors import DataError, TooFewItems
from genrec.filters import read_filter
from genrec.rules import lists
from genrec.semantic_ids.similar import id_vectors
from tests.little_shop import BRANDS

COMBINATIONS = int(os.environ.get("GENREC_COMBINATIONS", "100"))
MANY = settings(
    max_examples=COMBINATIONS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ITEM_IDS = [f"i{n}" for n in range(18)]

CONDITIONS = st.one_of(
    st.builds(lambda values: {"brand": {"any": values}}, st.lists(st.sampled_from(BRANDS))),
    st.builds(
        lambda how, values: {"categories": {how: values}},
        st.sampled_from(["any", "all", "none"]),
        st.lists(st.sampled_from(["Kitchen", "Tea", "Garden", "Pots", "Moon"]), max_size=3),
    ),
    st.builds(
        lambda how, price: {"price": {how: price}},
        st.sampled_from(["lt", "lte", "gt", "gte"]),
        st.sampled_from([0, 5.5, 10, 20.5, 99]),
    ),
    st.builds(lambda stock: {"stock": stock}, st.booleans()),
    st.builds(lambda tags: {"tags": tags}, st.sampled_from(["gift", ["gift", "sale"]])),
    st.builds(lambda it: {"price": {"exists": it}}, st.booleans()),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.builds(lambda one: {"not": one}, inner),
        st.builds(lambda some: {"any": some}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda some: {"all": some}, st.lists(inner, max_size=3)),
    ),
    max_leaves=4,
)
NATS = st.sampled_from([0.3, 1, 4])
RULES = st.one_of(
    st.builds(lambda where: {"ban": where}, FILTERS),
    st.builds(lambda where, by: {"boost": where, "by": by}, FILTERS, NATS),
    st.builds(lambda where, by: {"bury": where, "by": by}, FILTERS, NATS),
    st.builds(
        lambda ids, at: {"pin": ids, "at": at},
        st.lists(st.sampled_from(ITEM_IDS), min_size=1, max_size=2, unique=True),
        st.integers(1, 4),
    ),
    st.builds(
        lambda n, per: {"at_most": n, **per},
        st.integers(1, 2),
        st.sampled_from(
            [
                {"per": "brand"},
                {"per": "categories"},
                {"per": "categories", "level": -1},
                {"per": "interest"},
            ]
        ),
    ),
    st.builds(lambda n, where: {"at_least": n, "of": where}, st.integers(1, 3), FILTERS),
    st.builds(lambda nats: {"diversity": nats}, NATS),
    st.builds(
        lambda about, by: {"calibrate": about, "by": by},
        st.sampled_from(["popularity", "brand", "categories"]),
        NATS,
    ),
    st.builds(lambda which: {"seen": which}, st.sampled_from(["only", "never", "any"])),
)


def holds(item, where) -> bool:
    """Tell whether a filter lets an item through: the language once more, plainly."""
    return all(_holds(item, key, value) for key, value in where.items())


def _holds(item, key, value) -> bool:
    if key == "not":
        return not holds(item, value)
    if key in ("all", "any"):
        return {"all": all, "any": any}[key](holds(item, one) for one in value)
    own = {"brand": item.brand, "categories": item.categories}.get(key, item.attributes.get(key))
    own = own if isinstance(own, tuple) else () if own is None else (own,)
    if not isinstance(value, dict):
        value = {"any": value if isinstance(value, list) else [value]}
    tests = {
        "any": lambda wanted: any(one in own for one in wanted),
        "all": lambda wanted: bool(own) and all(one in own for one in wanted),
        "none": lambda wanted: not any(one in own for one in wanted),
        "lt": lambda bound: any(one < bound for one in own),
        "lte": lambda bound: any(one <= bound for one in own),
        "gt": lambda bound: any(one > bound for one in own),
        "gte": lambda bound: any(one >= bound for one in own),
        "exists": lambda expected: bool(own) == expected,
    }
    return all(tests[how](wanted) for how, wanted in value.items())


def _shares(kinds) -> dict[str, float]:
    return {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}


def _divergence(wanted, found) -> float:
    return sum(p * log(p / (0.99 * found.get(kind, 0) + 0.01 * p)) for kind, p in wanted.items())


@cache
def likenesses(shop) -> dict[tuple[int, int], float]:
    """Join the two most alike groups of interests again and again: average linkage, plainly."""
    vectors, codes = id_vectors(shop.table), shop.table.codes[:, 0].tolist()
    of = {code: vectors[[c == code for c in codes]].mean(axis=0) for code in set(codes)}
    groups = [(code,) for code in of]

    def alike(one, other):
        return float(np.mean([min(of[a] @ of[b], 1) for a in one for b in other]))

    found = {}
    while len(groups) > 1:
        one, other = max(combinations(groups, 2), key=lambda pair: alike(*pair))
        for a in one:
            for b in other:
                found[a, b] = found[b, a] = max(alike(one, other), 0)
        groups = [group for group in groups if group not in (one, other)] + [one + other]
    for code in of:
        around = max((found[code, other] for other in of if other != code), default=0)
        found[code, code] = max(float(of[code] @ of[code]), around)
    return found


@cache
def popularity(shop) -> dict[str, str]:
    """Tell how popular each item is: item by item, the most popular first."""
    items = [shop.data.items[index].item_id for index in shop.data.interactions("train").item_index]
    order = sorted(shop.table.item_ids, key=lambda one: -items.count(one))
    groups, before = {}, 0
    for one in order:
        share = before / len(items)
        is_tail = share >= 0.8 or one not in items
        groups[one] = "tail" if is_tail else "head" if share < 0.2 else "middle"
        before += items.count(one)
    return groups


class Oracle:
    """What the rules say, item by item and list by list."""

    def __init__(self, shop, user, exclude, filters, rules):
        self.shop, self.rules = shop, rules
        history = [event.item_id for event in shop.history(user).events]
        seen = [rule["seen"] for rule in rules if "seen" in rule]
        which = seen[0] if seen else "never"
        bans = [rule["ban"] for rule in rules if "ban" in rule]
        self.items = {item.item_id: item for item in shop.items}
        self.allowed = [
            item_id
            for item_id, item in self.items.items()
            if item_id not in exclude
            and holds(item, filters)
            and not any(holds(item, ban) for ban in bans)
            and (which == "any" or (item_id in history) == (which == "only"))
        ]
        self.banned = {
            item_id for item_id, item in self.items.items() if any(holds(item, b) for b in bans)
        }
        self.pins = {
            place: item_id
            for rule in rules
            for place, item_id in enumerate(rule.get("pin", ()), rule.get("at", 1) - 1)
        }
        num_pins = sum(len(rule.get("pin", ())) for rule in rules)
        self.bonus = {item_id: self._bonus(item) for item_id, item in self.items.items()}
        # Of each rule that limits lists, what it sees in each item.
        self.quotas = [
            (rule["at_least"], {one for one, item in self.items.items() if holds(item, rule["of"])})
            for rule in rules
            if "at_least" in rule
        ]
        self.caps = [
            (rule["at_most"], {one: self._values(rule, one) for one in self.items})
            for rule in rules
            if "at_most" in rule
        ]
        self.cost = sum(rule.get("diversity", 0) for rule in rules)
        self.profiles = [
            (rule["by"], kinds, _shares([kinds[one] for one in history if kinds[one]]))
            for rule in rules
            if "calibrate" in rule
            for kinds in [{one: self._kind(rule["calibrate"], one) for one in self.items}]
        ]
        self.contradicts = (
            len(set(seen)) > 1
            or len(self.pins) < num_pins
            or len(set(self.pins.values())) < num_pins
            or bool(self.banned & set(self.pins.values()))
        )

    def _kind(self, about, item_id) -> str | None:
        item = self.items[item_id]
        if about == "popularity":
            return popularity(self.shop)[item_id]
        return item.brand if about == "brand" else item.categories[0]

    def _bonus(self, item) -> float:
        nats = 0.0
        for rule in self.rules:
            for kind, sign in (("boost", 1), ("bury", -1)):
                if kind in rule and holds(item, rule[kind]):
                    nats += sign * rule["by"]
        return nats

    def _values(self, rule, item_id) -> set[str]:
        item = self.items[item_id]
        codes = self.shop.codes_of(item_id)
        names = {self.shop.name_of(codes[:1]), self.shop.name_of(codes[:2])}
        known = {
            "brand": [item.brand] if item.brand else [],
            "categories": list(item.categories),
            "interest": names,
        }
        found = list(known[rule["per"]])
        return set(found[-1:] if "level" in rule else found)

    def keeps(self, chosen) -> bool:
        for count, such in self.quotas:
            if sum(one in such for one in chosen) < count:
                return False
        for count, values_of in self.caps:
            values = [value for one in chosen for value in values_of[one]]
            if any(values.count(value) > count for value in set(values)):
                return False
        return True

    def worth(self, chosen, scores) -> float:
        steps = 0.0
        if self.cost:
            likeness = likenesses(self.shop)
            firsts = [self.shop.codes_of(one)[0] for one in chosen]
            steps = sum(likeness[pair] for pair in combinations(firsts, 2))
        unlike = sum(
            by * len(chosen) * _divergence(wanted, _shares([kinds[one] for one in chosen]))
            for by, kinds, wanted in self.profiles
        )
        return sum(scores[one] + self.bonus[one] for one in chosen) - self.cost * steps - unlike

    def best(self, k, scores) -> float | None:
        pinned = {one for place, one in self.pins.items() if place < k and one in self.allowed}
        others = [one for one in self.allowed if one not in pinned]
        worths = [
            self.worth((*pinned, *some), scores)
            for some in combinations(others, k - len(pinned))
            if self.keeps((*pinned, *some))
        ]
        return max(worths, default=None)


@pytest.mark.slow
@pytest.mark.parametrize("widths", [(50, 4, 3200), (2, 2, 3200), (2, 2, 4)])
@MANY
@given(
    user=st.integers(0, 11).map("u{}".format),
    k=st.integers(1, 5),
    exclude=st.lists(st.sampled_from(ITEM_IDS), max_size=2),
    filters=st.just({}) | FILTERS,
    rules=st.lists(RULES, max_size=4),
)
def test_lists_keep_every_rule_and_none_is_better(
    shop, monkeypatch, widths, user, k, exclude, filters, rules
):
    for name, width in zip(("WIDTH", "WIDER", "MAX_WIDTH"), widths, strict=True):
        monkeypatch.setattr(lists, name, width)
    oracle = Oracle(shop, user, exclude, filters, rules)
    asked = {"k": k, "exclude": exclude, "filters": filters, "rules": rules}
    if oracle.contradicts:
        with pytest.raises(DataError, match="contradict"):
            shop.recommend(user, **asked)
        return
    alone = {"candidates": oracle.allowed, "filter_seen": False}
    ranked = shop.recommend(user, k=len(oracle.allowed), **alone) if oracle.allowed else []
    scores = {one.item_id: one.score for one in ranked}
    best = oracle.best(k, scores) if len(oracle.allowed) >= k else None
    if best is None:
        with pytest.raises(TooFewItems):
            shop.recommend(user, **asked)
        return
    found = shop.recommend(user, **asked)
    ids = [one.item_id for one in found]
    assert len(set(ids)) == k and set(ids) <= set(oracle.allowed)
    assert [one.rank for one in found] == list(range(1, k + 1))
    assert oracle.keeps(ids)
    for place, item_id in oracle.pins.items():
        if place < k and item_id in oracle.allowed:
            assert ids[place] == item_id
    if widths[-1] > len(ITEM_IDS):
        assert oracle.worth(ids, scores) == pytest.approx(best, abs=1e-3)
        for place, one in enumerate(found):
            expected = scores[one.item_id] + oracle.bonus[one.item_id]
            # Of a pinned item that the search did not find this is known: it is no better.
            assert one.score >= expected - 1e-3
            assert one.score <= expected + 1e-3 or place in oracle.pins


@MANY
@given(where=FILTERS)
def test_a_filter_is_what_it_says(shop, where):
    mask = shop.attributes.mask(read_filter(where))
    assert mask.tolist() == [holds(item, where) for item in shop.items]
    assert np.array_equal(mask, shop.attributes.mask(read_filter(where)))
