"""Communities against a planted truth; files against what networkx reads back; pictures."""

import json
import xml.etree.ElementTree as ElementTree

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.errors import ConfigError, DataError
from genrec.graph import (
    ego_graph,
    find_communities,
    graph_histories,
    overview,
    read_graphml,
    to_json,
    to_networkx,
    write_graphml,
    write_json,
    write_picture,
)
from genrec.schema import Event, History, Item
from genrec.semantic_ids.table import SemanticIdTable
from tests.graph.conftest import ITEMS, TABLE, some_histories

GROUPS = 3
PER_GROUP = 4


@pytest.fixture(scope="module")
def planted():
    """Twelve interests in three groups; users stay in theirs but for one event in ten."""
    rng = np.random.default_rng(0)
    count = GROUPS * PER_GROUP
    table = SemanticIdTable(
        [f"i{n}" for n in range(count)],
        np.array([[n, 0, 0] for n in range(count)]),
        count,
        np.zeros((3, count, 1), np.float32),
        {(n,): f"interest {n}" for n in range(count)},
    )
    histories = []
    for user in range(60):
        draws = rng.integers(PER_GROUP, size=20) + PER_GROUP * (user % GROUPS)
        draws = np.where(rng.random(20) < 0.1, rng.integers(count, size=20), draws)
        events = (Event(f"u{user}", f"i{item}", 1000 * n) for n, item in enumerate(draws))
        histories.append(History(f"u{user}", tuple(events)))
    return graph_histories(histories, table)


def test_planted_communities_are_found(planted):
    found = find_communities(planted)
    members = {frozenset(int(n.key) // PER_GROUP for n in one.interests) for one in found}
    assert members == {frozenset({0}), frozenset({1}), frozenset({2})}
    assert [len(one.interests) for one in found] == [PER_GROUP] * GROUPS
    assert sum(one.weight for one in found) == pytest.approx(1)
    assert found[0].name.endswith("and 1 more")
    assert found == find_communities(planted)


def test_without_events_nothing_goes_together():
    assert find_communities(graph_histories([], TABLE)) == []
    alone = graph_histories([History("u", (Event("u", "a", 0),))], TABLE)
    assert find_communities(alone) == []
    with pytest.raises(ConfigError, match="no interests of depth 3"):
        find_communities(alone, depth=3)


@settings(max_examples=30, deadline=None)
@given(
    histories=some_histories(),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
)
def test_graphml_reads_back_as_written_whatever_the_names(histories, name, tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "graph.graphml"
    histories = [*histories, History(name, (Event(name, "a", 0),))]
    network = to_networkx(graph_histories(histories, TABLE, None, [Item("a", name), *ITEMS[1:]]))
    write_graphml(network, path)
    back = read_graphml(path)
    assert len(back) == len(network)
    assert back.number_of_edges() == network.number_of_edges()
    assert sorted(weight for *_, weight in back.edges(data="weight")) == pytest.approx(
        sorted(weight for *_, weight in network.edges(data="weight"))
    )
    label = back.nodes["item:a"]["label"]
    assert len(label) == len(name)
    if name.isprintable():
        assert label == name


def test_graphml_keeps_kinds_relations_and_scripts(tmp_path):
    graph = graph_histories(
        [History("ü ☕ 顧客", (Event("ü ☕ 顧客", "c", 5),))], TABLE, None, ITEMS
    )
    write_graphml(ego_graph(graph, graph.node("user", "ü ☕ 顧客")), tmp_path / "g.graphml")
    back = nx.read_graphml(tmp_path / "g.graphml")
    assert back.nodes["user:ü ☕ 顧客"]["kind"] == "user"
    assert back.nodes["item:c"]["label"] == "Matcha 抹茶 whisk"
    assert back.edges["user:ü ☕ 顧客", "item:c"]["relation"] == "user-item"
    assert ElementTree.parse(tmp_path / "g.graphml").getroot().tag.endswith("graphml")


def test_json_reads_back_as_written(planted, tmp_path):
    network = overview(planted)
    write_json(network, tmp_path / "deep" / "graph.json")
    content = json.loads((tmp_path / "deep" / "graph.json").read_text(encoding="utf-8"))
    assert content == to_json(network)
    back = nx.node_link_graph(content, edges="edges")
    assert nx.utils.graphs_equal(back, network)
    assert {values["community"] for _, values in back.nodes(data=True)} == {1, 2, 3}


def test_a_neighbourhood_shows_no_other_users_unless_asked(planted):
    node = planted.node("user", "u0")
    kinds = [v["kind"] for _, v in ego_graph(planted, node).nodes(data=True)]
    assert kinds.count("user") == 1
    shown = ego_graph(planted, node, through_users=True)
    assert [v["kind"] for _, v in shown.nodes(data=True)].count("user") > 1
    assert (
        max(nx.single_source_shortest_path_length(shown.to_undirected(), "user:u0").values()) == 2
    )


def test_a_whole_graph_too_large_for_a_file_is_refused(planted):
    with pytest.raises(DataError, match="more than the 10"):
        to_networkx(planted, max_edges=10)


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_pictures_of_all_interests_and_of_one_node_alone(planted, tmp_path, ending):
    write_picture(overview(planted), tmp_path / f"a.{ending}")
    alone = graph_histories([], TABLE, None, [Item("f", "cost $5 <b> 抹茶 $x$")])
    write_picture(ego_graph(alone, alone.node("item", "f"), hops=0), tmp_path / f"b.{ending}")
    for name in "ab":
        assert (tmp_path / f"{name}.{ending}").stat().st_size > 5_000


def test_an_empty_picture_is_refused(tmp_path):
    none = SemanticIdTable([], np.empty((0, 3), np.int32), 2, np.zeros((3, 2, 1)), {})
    with pytest.raises(DataError, match="a picture of 0 nodes"):
        write_picture(overview(graph_histories([], none)), tmp_path / "a.png")
