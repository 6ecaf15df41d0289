"""Users of the prepared data, against the data set itself."""

import pyarrow.parquet as pq
import pytest

from genrec.data import Dataset
from genrec.serving.histories import PreparedUsers


@pytest.fixture(scope="module")
def data(chain):
    return Dataset.load(chain.data)


@pytest.fixture(scope="module")
def histories(data):
    return {history.user_id: history for history in data.histories("test")}


@pytest.fixture(params=[65_536, 7], ids=["one batch", "users cut by batches"])
def users(request, data, monkeypatch):
    read = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda file, **options: read(file, request.param, **options)
    )
    return PreparedUsers(data)


def test_every_user_is_there_with_all_events(users, histories):
    assert len(users) == len(histories)
    for user_id, history in histories.items():
        assert users.num_events(user_id) == len(history.events)
    for user_id in list(histories)[:3] * 2:
        assert users.history(user_id) == histories[user_id]


@pytest.mark.parametrize("user_id", ["", "a", "zzzz", "ü", "ada-00"])
def test_nobody_else_is(users, user_id):
    assert users.num_events(user_id) == 0 and not users.history(user_id).events


def test_users_are_found_in_pages_by_id(users, histories):
    ids = sorted(histories)
    assert users.search("", 5) == ids[:5]
    assert users.search("", 5, start=5) == ids[5:10]
    wanted = [user_id for user_id in ids if "a-0" in user_id]
    assert users.search("A-0", 1000) == wanted
    assert users.search("A-0", 2, start=2) == wanted[2:4]
    assert users.search(".*", 5) == []
