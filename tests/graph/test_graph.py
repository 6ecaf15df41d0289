"""The graph's weights against a count by hand, and live updates against a rebuild."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import ConfigError, DataError
from genrec.graph import GraphConfig, graph_histories
from genrec.graph.event_weights import EventWeights
from genrec.graph.nodes import FADING, RELATIONS
from genrec.graph.words import find_keywords
from genrec.schema import Event, History
from genrec.semantic_ids.table import SemanticIdTable
from tests.graph.conftest import CODES, DAY, ITEMS, TABLE, some_histories

CONFIG = GraphConfig(half_life_days=30, window=2)


def weights(graph, at=None):
    """Every edge by names, faded to a moment."""
    found = {}
    for name, (source, target) in RELATIONS.items():
        edges = graph.relations[name].matrix((0, 0)).tocoo()
        fade = graph.fade(at) if name in FADING else 1
        for row, column, weight in zip(*edges.coords, edges.data, strict=True):
            ends = (graph.node_at(source, int(row)).key, graph.node_at(target, int(column)).key)
            found[name, *ends] = weight * fade
    return found


def count_by_hand(histories, config, at):
    event_weights, found = EventWeights(config), defaultdict(float)
    for history in histories:
        for place, event in enumerate(history.events):
            weight = event_weights.weigh(event) * 0.5 ** (
                (at - event.timestamp) / DAY / config.half_life_days
            )
            found["user-item", event.user_id, event.item_id] += weight
            for depth in config.depths:
                here = key(event.item_id, depth)
                if here is None:
                    continue
                found["user-interest", event.user_id, here] += weight
                for distance in range(1, min(place, config.window) + 1):
                    before = key(history.events[place - distance].item_id, depth)
                    if before not in (None, here):
                        found["interest-interest", before, here] += weight / distance
    return found


def key(item_id, depth):
    return ".".join(map(str, CODES[item_id][:depth])) if item_id in CODES else None


@settings(deadline=None)
@given(some_histories())
def test_weights_are_those_counted_by_hand(histories):
    graph = graph_histories(histories, TABLE, CONFIG)
    at = max((event.timestamp for h in histories for event in h.events), default=0)
    counted = count_by_hand(histories, CONFIG, at)
    fading = {edge: w for edge, w in weights(graph, at).items() if edge[0] in FADING}
    assert fading.keys() == counted.keys()
    for edge, weight in counted.items():
        assert fading[edge] == pytest.approx(weight, rel=1e-9, abs=1e-200)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(some_histories(), st.data())
def test_events_one_by_one_equal_a_rebuild(histories, data):
    keywords = find_keywords(ITEMS, [], TABLE, min_texts=1)
    whole = graph_histories(histories, TABLE, CONFIG, ITEMS, keywords)
    kept = [data.draw(st.integers(0, len(h.events)), label="kept") for h in histories]
    first = [History(h.user_id, h.events[:n]) for h, n in zip(histories, kept, strict=True) if n]
    graph = graph_histories(first, TABLE, CONFIG, ITEMS, keywords)
    later = [event for h, n in zip(histories, kept, strict=True) for event in h.events[n:]]
    compact_after = data.draw(st.integers(0, len(later)), label="compact after")
    for number, event in enumerate(sorted(later, key=lambda event: event.timestamp)):
        if number == compact_after:
            graph.compact()
        graph.update(event)
    assert graph.now == whole.now
    expected, found = weights(whole), weights(graph)
    assert found.keys() == expected.keys()
    for edge, weight in expected.items():
        assert found[edge] == pytest.approx(weight, rel=1e-9, abs=1e-200)
    for name in RELATIONS:
        relation, columns = graph.relations[name], defaultdict(float)
        for row in range(len(relation.row_sums)):
            numbers, amounts = relation.row(row)
            assert amounts.sum() == pytest.approx(relation.row_sums[row], rel=1e-9, abs=1e-200)
            for column, amount in zip(numbers.tolist(), amounts, strict=True):
                columns[column] += amount
                rows, back = relation.column(column)
                assert back[rows == row] == pytest.approx(amount)
        for column, amount in columns.items():
            total = relation.column_sums[column]
            assert amount == pytest.approx(total, rel=1e-9, abs=1e-200)


def test_a_moment_many_half_lives_later_moves_the_reference_and_loses_nothing_recent():
    config = GraphConfig(half_life_days=1 / 24)  # an hour
    graph = graph_histories([History("u", (Event("u", "a", 0),))], TABLE, config)
    for days in (100, 5_000, 200_000):
        graph.update(Event("u", "b", days * DAY))
        user = graph.node("user", "u")
        assert graph.weight_of("user-item", user, graph.node("item", "b")) == pytest.approx(1)
        assert graph.weight_of("user-item", user, graph.node("item", "a")) == 0
    assert [one.node.key for one in graph.neighbours(user, "item")] == ["b"]


def test_what_was_liked_weighs_more_and_an_unknown_opinion_weighs_one():
    events = [
        Event("u", "a", 0, rating=5), Event("u", "b", 0), Event("u", "d", 0, rating=1),
        Event("u", "e", 0, review="I love it, wonderful!"), Event("u", "f", 0, review="素晴らしい"),
    ]  # fmt: skip
    graph = graph_histories([History("u", tuple(events))], TABLE)
    found = {one.node.key: one.edge.weight for one in graph.neighbours(graph.node("user", "u"))}
    assert found["a"] == pytest.approx(1.9)
    assert found["b"] == found["f"] == 1
    assert found["d"] == pytest.approx(0.1)
    assert 1 < found["e"] < 1.9
    plain = graph_histories([History("u", tuple(events))], TABLE, GraphConfig(event_weights="none"))
    assert {n.edge.weight for n in plain.neighbours(plain.node("user", "u"), "item")} == {1}


def test_neighbours_of_every_kind_are_named_and_the_heaviest_come_first():
    events = [Event("u", item, n * DAY) for n, item in enumerate("ddbbbax")]
    keywords = find_keywords(ITEMS, [], TABLE, min_texts=1)
    graph = graph_histories([History("u", tuple(events))], TABLE, None, ITEMS, keywords)
    user = graph.node("user", "u")
    items = graph.neighbours(user, "item")
    assert [one.node.name for one in items] == ["Sencha leaf", "Trail shoes", "x", "Assam leaf"]
    assert len(graph.neighbours(user, "item", k=2)) == 2
    tea = graph.node("interest", "tea")
    assert tea == graph.node("interest", "0")
    around = graph.neighbours(tea, k=None)
    assert [one.node.kind for one in around] == sorted(
        (one.node.kind for one in around), key=["user", "interest", "item", "word"].index
    )
    (after,) = [one for one in around if one.edge.relation == "interest-interest"]
    assert (after.edge.source.name, after.edge.target.name) == ("running", "tea")
    assert {one.node.name for one in around if one.node.kind == "word"} >= {
        "leaf",
        "sencha",
        "抹茶",
    }
    assert {one.node.key for one in graph.neighbours(graph.node("word", "leaf"), "item")} == {
        "a", "b",
    }  # fmt: skip
    assert all(0 < one.edge.strength <= 1 for one in around)


def test_weights_fade_by_half_lives_and_their_order_stays():
    graph = graph_histories([History("u", (Event("u", "a", 0),))], TABLE, CONFIG)
    user, item = graph.node("user", "u"), graph.node("item", "a")
    assert graph.weight_of("user-item", user, item, at=60 * DAY) == pytest.approx(0.25)
    (one,) = graph.neighbours(user, "item", at=30 * DAY)
    assert (one.edge.weight, one.edge.strength) == (pytest.approx(0.5), 1)


def test_no_events_at_all_give_the_catalogue_alone():
    graph = graph_histories([], TABLE)
    assert (graph.size("user"), graph.size("item"), graph.now) == (0, 6, None)
    assert {one.node.key for one in graph.neighbours(graph.node("item", "a"))} == {"0", "0.0"}
    graph.update(Event("new", "y", 5))
    (one,) = graph.neighbours(graph.node("user", "new"))
    assert (one.node.key, one.edge.weight) == ("y", 1)


def test_a_table_without_items_makes_a_graph_without_interests():
    empty = SemanticIdTable([], np.empty((0, 3), np.int32), 2, np.zeros((3, 2, 1)), {})
    graph = graph_histories([History("u", (Event("u", "a", 0),))], empty)
    assert graph.size("interest") == 0
    assert [one.node.key for one in graph.neighbours(graph.node("user", "u"))] == ["a"]


@pytest.mark.parametrize("kind", ["user", "item", "interest", "word"])
def test_an_unknown_node_is_named(kind):
    with pytest.raises(DataError, match=f"no {kind} 'nobody'"):
        graph_histories([], TABLE).node(kind, "nobody")


def test_settings_that_make_no_graph_are_refused():
    with pytest.raises(ConfigError, match="no interests of depth 4"):
        graph_histories([], TABLE, GraphConfig(depths=(1, 4)))
    for wrong in ({"depths": (1, 1)}, {"depths": (0,)}, {"rating_range": (5, 1)}, {"window": 0}):
        with pytest.raises(ValueError):
            GraphConfig(**wrong)
