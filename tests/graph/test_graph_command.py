"""`genrec graph` as a user types it, on a prepared toy world."""

import json

import networkx as nx
import pytest

from genrec.data import Dataset
from genrec.graph import build_graph, find_communities, find_path
from genrec.semantic_ids.table import SemanticIdTable
from tests.conftest import genrec, succeed


@pytest.fixture
def world(toy_data, toy_index):
    return {"data": toy_data.path, "index": toy_index}


def ask(world, *arguments):
    return genrec("graph", "--data", world["data"], "--index", world["index"], *arguments)


def test_a_user_with_the_path_to_an_item_as_json_and_a_file(world, tmp_path):
    data = Dataset.load(world["data"])
    history = next(data.histories("test"))
    unseen = next(
        item.item_id
        for item in data.items
        if item.item_id not in {event.item_id for event in history.events}
    )
    out = tmp_path / "user.graphml"
    done = succeed(ask(world, "--user", history.user_id, "--to", unseen, "--json", "--out", out))
    content = json.loads(done.stdout)
    assert content["node"]["key"] == history.user_id
    assert content["path"]["nodes"][-1]["key"] == unseen
    graph = build_graph(data, SemanticIdTable.load(world["index"]), "test")
    assert content["path"]["strength"] == pytest.approx(
        find_path(graph, history.user_id, unseen).strength
    )
    assert f"user:{history.user_id}" in nx.read_graphml(out)


def test_communities_and_an_interest_are_told_by_name(world, tmp_path):
    graph = build_graph(Dataset.load(world["data"]), SemanticIdTable.load(world["index"]), "test")
    first = find_communities(graph)[0].interests[0].name
    done = succeed(ask(world, "--communities", "--interest", first, "--out", tmp_path / "a.svg"))
    assert "Interests that go together" in done.stdout
    assert first in done.stdout
    assert (tmp_path / "a.svg").stat().st_size > 5_000


@pytest.mark.parametrize(
    "arguments, fault",
    [
        (["--user", "nobody"], "no user 'nobody'"),
        (["--interest", "nothing"], "no interest 'nothing'"),
        (["--to", "P001"], "--user or --interest"),
        (["--user", "a", "--interest", "b"], "not both"),
        (["--out", "graph.bmp"], "cannot write 'graph.bmp'"),
        (["--communities", "--depth", "9"], "no interests of depth 9"),
        (["--set", "half_life_days=0"], "half_life_days"),
    ],
)
def test_faults_are_one_line_and_exit_2(world, arguments, fault):
    done = ask(world, *arguments)
    assert done.returncode == 2
    assert fault in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
