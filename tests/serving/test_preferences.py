"""Preferences over HTTP, on the little shop."""

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.serving.http.app import create_app
from genrec.serving.settings import Settings
from tests.serving.routes.calls import item_ids, post


@pytest.fixture(scope="module")
def client(shop_run, tmp_path_factory):
    store = SecretStr(f"sqlite:///{tmp_path_factory.mktemp('store')}/store.db")
    settings = Settings(run=shop_run, device="cpu", threads=1, store=store, rate_limit_per_s=0)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def put(client):
    """Store preferences for one test."""
    users = set()

    def store(user_id, *preferences, status=200):
        users.add(user_id)
        path = f"/v1/users/{user_id}/preferences"
        answer = client.put(path, json={"preferences": list(preferences)})
        assert answer.status_code == status, answer.text
        return answer.json()

    yield store
    for user_id in users:
        client.delete(f"/v1/users/{user_id}/preferences")


def ask(client, user_id, k=6, **body):
    answer = post(client, "/v1/recommend", user_id=user_id, k=k, shown=False, **body)
    return {key: value for key, value in answer.items() if key != "took_ms"}


TEA = {"categories": "Tea"}


def is_tea(shop, item_id):
    return "Tea" in shop.item(item_id).categories


def test_never_is_never_and_undone_in_one_call(client, put, shop):
    before = ask(client, "u1")
    assert any(is_tea(shop, item_id) for item_id in item_ids(before))
    said = put("u1", {"never": TEA}, {"pin": {"brand": "Dune"}})
    assert said["preferences"] == [{"never": TEA}, {"pin": {"brand": "Dune"}}]
    after = ask(client, "u1")
    assert not any(is_tea(shop, item_id) for item_id in item_ids(after))
    assert any(shop.item(item_id).brand == "Dune" for item_id in item_ids(after))
    library = shop.recommend("u1", k=6, preferences=said["preferences"])
    assert item_ids(after) == [item.item_id for item in library]
    assert client.delete("/v1/users/u1/preferences").status_code == 204
    assert ask(client, "u1") == before
    assert client.delete("/v1/users/u1/preferences").status_code == 404


def test_a_request_may_bring_preferences_of_its_own(client, put, shop):
    put("u2", {"never": TEA})
    given = ask(client, "u2", preferences=[{"never": {"brand": "Acme"}}])
    assert any(is_tea(shop, one) for one in item_ids(given))
    assert all(shop.item(one).brand != "Acme" for one in item_ids(given))
    plain = ask(client, "u2", preferences=[])
    assert item_ids(plain) == [item.item_id for item in shop.recommend("u2", k=6)]
