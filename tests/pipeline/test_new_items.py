"""Items that came after training: found at once, and read in histories, on a trained run."""

from dataclasses import replace

import pytest

from genrec.errors import DataError
from genrec.recommender import Recommender
from genrec.schema import Event, Request


@pytest.fixture
def recommender(chain):
    return Recommender.from_pretrained(chain.pretrain, "cpu")


def test_the_twin_of_a_liked_item_is_recommended(recommender):
    """It stands with its siblings and follows what its original followed."""
    histories = [example.history for example in list(recommender.data.examples("test"))[:30]]
    requests = [Request(history) for history in histories]
    first = [found[0].item_id for found in recommender.rank_many(requests, 1)]
    twins = {item_id: f"twin of {item_id}" for item_id in first}
    recommender.add_items(
        [replace(recommender.item(item_id), item_id=twin) for item_id, twin in twins.items()]
    )
    found = [
        twins[item_id] in [item.item_id for item in answer]
        for item_id, answer in zip(first, recommender.rank_many(requests, 10), strict=True)
    ]
    # By chance a twin would be among the ten of one user in 27.
    assert sum(found) >= 20


def test_a_new_item_is_read_in_a_history(recommender):
    model = recommender.item(recommender.data.items[0].item_id)
    recommender.add_items([replace(model, item_id="new")])
    events = [Event("somebody", "new", 1_700_000_000, "purchase", rating=5.0)]
    found = recommender.recommend(events=events, k=10)
    assert "new" not in [item.item_id for item in found]
    assert f"<a_{recommender.codes_of('new')[0]}>" in recommender.prompt(events=events)[0]
    assert recommender.item("new").title == model.title


def test_an_item_that_is_there_is_not_added_again(recommender):
    with pytest.raises(DataError, match="already"):
        recommender.add_items([recommender.data.items[0]])
