"""Paths against networkx on the whole graph, and against every short path by brute force."""

from dataclasses import replace
from math import exp, log

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import ConfigError, DataError
from genrec.graph import find_path, graph_histories
from genrec.graph.nodes import RELATIONS
from genrec.graph.paths import MAX_STEPS, STEP_COST
from genrec.graph.user_item_path import user_item_path
from genrec.graph.words import find_keywords
from genrec.schema import Event, History
from tests.graph.conftest import ITEMS, TABLE, some_histories

KEYWORDS = find_keywords(ITEMS, [], TABLE, min_texts=1)


def network_of(graph, relations=RELATIONS, without=()):
    network = nx.Graph()
    for name in relations:
        source, target = RELATIONS[name]
        edges = graph.relations[name].matrix((0, 0)).tocoo()
        for row, column, weight in zip(*edges.coords, edges.data, strict=True):
            edge = graph.edge(name, int(row), int(column), float(weight))
            ends = (edge.source.node_id, edge.target.node_id)
            if edge.strength > 0 and not set(ends) & set(without):
                cost = STEP_COST - log(edge.strength)
                known = network.get_edge_data(*ends, {"cost": cost})["cost"]
                network.add_edge(*ends, cost=min(known, cost))
    return network


@settings(max_examples=150, deadline=None)
@given(some_histories(), st.sampled_from("abcdefx"), st.booleans(), st.data())
def test_the_path_is_the_best_of_all_short_ones(histories, item, through_users, data):
    graph = graph_histories(histories, TABLE, None, ITEMS, KEYWORDS)
    if not histories or graph.find("item", item) is None:
        return
    user = data.draw(st.sampled_from([h.user_id for h in histories]))
    relations = data.draw(st.sampled_from([None, ("user-item", "item-interest", "item-word")]))
    others = [f"user:{h.user_id}" for h in histories if h.user_id != user]
    network = network_of(graph, relations or RELATIONS, () if through_users else others)
    ends = (f"user:{user}", f"item:{item}")
    short = []
    if all(end in network for end in ends):
        ways = nx.all_simple_edge_paths(network, *ends, cutoff=MAX_STEPS)
        short = [sum(network.edges[edge]["cost"] for edge in way) for way in ways]
    path = find_path(graph, user, item, relations, through_users)
    if path is None:
        assert not short
        return
    cost = STEP_COST * len(path.edges) - log(path.strength)
    assert cost == pytest.approx(nx.path_weight(network, [n.node_id for n in path.nodes], "cost"))
    assert cost >= nx.shortest_path_length(network, *ends, weight="cost") - 1e-9
    if short:
        assert cost <= min(short) + 1e-9
    assert path.strength == pytest.approx(exp(sum(log(edge.strength) for edge in path.edges)))
    for first, second, edge in zip(path.nodes, path.nodes[1:], path.edges, strict=False):
        assert {edge.source, edge.target} == {first, second}
        assert edge.relation in (relations or RELATIONS)


@settings(max_examples=60, deadline=None)
@given(some_histories(), st.sampled_from("abcdef"), st.data())
def test_a_stored_user_and_the_same_events_inline_walk_alike(histories, item, data):
    graph = graph_histories(histories, TABLE, None, ITEMS, KEYWORDS)
    if histories:
        history = data.draw(st.sampled_from(histories))
        stored, inline = find_path(graph, history.user_id, item), find_path(graph, history, item)
        assert (stored is None) == (inline is None)
        if stored is not None:
            assert inline.strength == pytest.approx(stored.strength)


def test_events_of_a_stranger_lead_over_their_own_items_and_leave_no_trace():
    known = History("u", tuple(Event("u", item, n) for n, item in enumerate("abd")))
    graph = graph_histories([known], TABLE, None, ITEMS)
    stranger = History("guest", (Event("guest", "b", 9), Event("guest", "unheard of", 9)))
    path = find_path(graph, stranger, "c", ("user-item", "item-interest"))
    assert str(path) == "guest → Sencha leaf → tea · green → Matcha 抹茶 whisk"
    assert [edge.relation for edge in path.edges] == ["user-item", "item-interest", "item-interest"]
    assert graph.size("user") == 1
    assert graph.relations["user-item"].column_sums[1] == pytest.approx(1)


def test_nobody_is_told_of_anothers_acts_unless_asked_for():
    first = History("u", (Event("u", "a", 0), Event("u", "f", 0)))
    second = History("v", (Event("v", "a", 0),))
    graph = graph_histories([first, second], TABLE)
    only = ("user-item",)
    assert find_path(graph, "v", "f", only) is None
    assert str(find_path(graph, "v", "f", only, through_users=True)) == "v → a → u → f"


def test_no_history_leads_nowhere_and_a_node_to_itself():
    graph = graph_histories([], TABLE)
    assert find_path(graph, History("guest", ()), "a") is None
    path = find_path(graph, graph.node("item", "a"), "a")
    assert (len(path.nodes), path.edges, path.strength) == (1, (), 1)


def test_what_is_not_there_is_named():
    graph = graph_histories([], TABLE)
    with pytest.raises(DataError, match="no user 'nobody'"):
        find_path(graph, "nobody", "a")
    with pytest.raises(DataError, match="no item 'nothing'"):
        find_path(graph, History("guest", ()), "nothing")
    with pytest.raises(ConfigError, match="no relation 'love'"):
        find_path(graph, History("guest", ()), "a", ["love"])


@settings(max_examples=150, deadline=None)
@given(some_histories(max_users=1), st.sampled_from("abcdef"))
def test_a_users_own_path_is_the_best_in_the_graph_of_their_history(histories, item):
    if not histories:
        return
    own = ("user-item", "item-interest")
    events = tuple(event for event in histories[0].events if event.item_id != item)
    met = sorted({event.item_id for event in events if TABLE.knows(event.item_id)} | {item})
    rows = [TABLE.index_of(item_id) for item_id in met]
    small = replace(TABLE, item_ids=met, codes=TABLE.codes[rows])
    graph = graph_histories([replace(histories[0], events=events)], small)
    best = find_path(graph, histories[0].user_id, item, own) if events else None
    path = user_item_path(histories[0], item, TABLE, lambda item_id: item_id)
    assert (best is None) == (path == ())
    if best is not None:
        nodes = [
            graph.node(*pair)
            for pair in zip(("user", "item", "interest", "item"), path, strict=True)
        ]
        network = network_of(graph, own)
        cost = nx.path_weight(network, [node.node_id for node in nodes], "cost")
        assert cost == pytest.approx(STEP_COST * 3 - log(best.strength))
