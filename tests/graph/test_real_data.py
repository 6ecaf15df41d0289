"""The graph of real reviews: it builds, stays within its rules, and finds paths for every user."""

import pytest

from genrec.data import Dataset
from genrec.data.prepare import PrepareConfig, prepare
from genrec.graph import build_graph, find_path
from genrec.semantic_ids.build import IndexConfig, build_table


@pytest.fixture(scope="module", params=["amazon18_gift_cards", "amazon18_all_beauty"])
def prepared(request, shared_data, tmp_path_factory):
    source, out = shared_data / request.param, tmp_path_factory.mktemp("real") / "data"
    prepare(source / "events.csv.gz", source / "items.jsonl.gz", out, PrepareConfig())
    data = Dataset.load(out)
    return data, build_table(data, IndexConfig())


def test_every_held_out_item_is_reached_or_honestly_not(prepared):
    data, table = prepared
    graph = build_graph(data, table)
    reached = 0
    for example in data.examples("test"):
        path = find_path(graph, example.history, example.targets[0].item_id)
        if path is not None:
            reached += 1
            assert path.nodes[0].key == example.history.user_id
            assert path.nodes[-1].key == example.targets[0].item_id
            assert 0 < path.strength <= 1
            assert [n.kind for n in path.nodes].count("user") == 1
    assert reached > 0.9 * sum(1 for _ in data.examples("test"))
