"""A tuned run on a catalogue it never met, through text."""

import json
from dataclasses import replace

import pytest

from benchmarks.cross_domain import make_shop, rename
from genrec.data import Dataset
from genrec.errors import DataError
from genrec.recommender import Recommender
from genrec.semantic_ids.extend import place_catalogue
from genrec.semantic_ids.table import SemanticIdTable
from tests.conftest import genrec, succeed


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A shop of the same kinds of things, under other brands and IDs, with other people."""
    return Dataset.load(make_shop(tmp_path_factory.mktemp("other"), 40, 12, 5, rename))


def test_a_moved_run_answers_for_the_other_shop(chain, other):
    own = Recommender.from_pretrained(chain.sft, "cpu")
    recommender = own.with_catalogue(other)
    assert own.knows("P001")
    user = next(other.examples("test")).history
    found = recommender.recommend(user.user_id, k=30)
    ids = [item.item_id for item in found]
    assert len(set(ids)) == 30 and set(ids) <= set(other.item_index)
    assert not set(ids) & {event.item_id for event in user.events}
    assert not recommender.knows("P001") and recommender.table.names == own.table.names
    assert recommender.interests(user.user_id).words


def test_texts_alone_decide_the_ids(chain, other):
    table = SemanticIdTable.load(chain.index)
    placed = place_catalogue(table, other.items)
    assert placed.item_ids == [item.item_id for item in other.items]
    assert len(set(map(tuple, placed.codes.tolist()))) == len(other.items)
    # The same thing under another brand mostly falls under the same first code.
    own = {item.title.replace(item.brand, "").strip(): item.item_id
           for item in Dataset.load(chain.data).items}  # fmt: skip
    same = [
        table.codes_of(own[item.title.replace(item.brand, "").strip()])[0]
        == placed.codes_of(item.item_id)[0]
        for item in other.items
    ]
    assert sum(same) / len(same) > 0.5
    with pytest.raises(DataError, match="without an encoder"):
        place_catalogue(replace(table, encoder=None), other.items)


def test_the_command(chain, other):
    done = succeed(
        genrec(
            *("evaluate", "--run", chain.sft, "--catalogue", other.path, "--max-users", 20),
            *("--num-beams", 20, "--json"),
        )
    )
    report = json.loads(done.stdout)
    assert report["data_hash"] == other.manifest.content_hash
    assert report["rankers"]["genrec"]["filtered"]["invalid_rate"] == 0
