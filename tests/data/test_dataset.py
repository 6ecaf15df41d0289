"""Reading a prepared data set back."""

import shutil

import pytest

from genrec.data import Dataset
from genrec.errors import ArtifactError, DataError


@pytest.fixture
def data(desk):
    rows = "u,i,1\nv,j,2\nu,j,3\nu,k,4\nw,i,5\nw,i,6\nu,i,7\n"
    events = desk.write("events.csv", "user_id,item_id,timestamp\n" + rows)
    items = desk.write("items.csv", "item_id,title\nk,K\nunsold,New\nj,J\ni,I\n")
    return desk.prepare(events, items)[0]


def item_ids(history):
    return [event.item_id for event in history.events]


def test_histories_come_by_user_in_the_order_of_the_file(data):
    assert [(h.user_id, item_ids(h)) for h in data.histories("test")] == [
        ("u", ["i", "j", "k", "i"]),
        ("v", ["j"]),
        ("w", ["i", "i"]),
    ]
    assert [item_ids(h) for h in data.histories("train")] == [["i", "j"], ["j"], ["i"]]
    assert [item_ids(h) for h in data.histories("valid")][0] == ["i", "j", "k"]


def test_items_keep_the_order_of_the_catalogue(data):
    assert [item.item_id for item in data.items] == ["k", "unsold", "j", "i"]
    assert data.item_index == {"k": 0, "unsold": 1, "j": 2, "i": 3}
    assert data.items[1].label == "New"


def test_one_history(data):
    assert data.history("u") == next(data.histories("test"))
    assert item_ids(data.history("u", upto="train")) == ["i", "j"]
    with pytest.raises(DataError, match="no user 'nobody'.*check the ID"):
        data.history("nobody")
    with pytest.raises(DataError, match="no split 'dev'; splits are train, valid, test"):
        data.history("u", upto="dev")


def test_users_with_nothing_in_the_split_are_left_out(desk):
    rows = "u,i,1\nv,i,2\nu,j,3\nw,i,9\nu,k,10\n"
    events = desk.write("events.csv", "user_id,item_id,timestamp\n" + rows)
    data, report = desk.prepare(events, split="global-time", valid_share=0.2, test_share=0.2)
    assert report.split_starts == {"valid": 9, "test": 10}
    assert [h.user_id for h in data.histories("train")] == ["u", "v"]
    assert data.history("w", "train").events == ()
    assert list(data.examples("train")) == []
    assert list(data.examples("valid")) == []  # w was never seen before
    (example,) = data.examples("test")
    assert [data.num_examples(split) for split in ("train", "valid", "test")] == [0, 0, 1]
    assert (item_ids(example.history), example.targets[0].item_id) == (["i", "j"], "k")
    numbers = data.interactions("train")
    assert (numbers.num_users, list(numbers.user_index)) == (3, [0, 0, 1])
    assert list(data.interactions("valid").user_index) == [0, 0, 1, 2]


def test_users_longer_than_a_batch_stay_whole(desk):
    rows = "".join(f"{'uv'[n % 2]},i{n % 100},{n}\n" for n in range(40_000))
    data, _ = desk.prepare(desk.write("events.csv", "user_id,item_id,timestamp\n" + rows))
    lengths = {h.user_id: len(h.events) for h in data.histories("test")}
    assert lengths == {"u": 20_000, "v": 20_000}
    assert data.interactions("test").num_users == 2


def test_what_is_not_a_data_set_is_named(data, desk):
    with pytest.raises(ArtifactError, match="does not exist"):
        Dataset.load(desk.root / "nothing")
    events = data.path / "events.parquet"
    events.write_bytes(events.read_bytes()[:-50])
    with pytest.raises(ArtifactError, match="events.parquet is damaged"):
        next(data.histories("test"))
    with pytest.raises(ArtifactError, match="events.parquet is damaged"):
        data.history("u")
    events.unlink()
    with pytest.raises(ArtifactError, match="lost its events.parquet"):
        Dataset.load(data.path)
    shutil.rmtree(data.path)
