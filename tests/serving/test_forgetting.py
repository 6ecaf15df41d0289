"""What gateways keep of a user in memory goes everywhere, whichever of them is told to forget."""

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.serving.http.app import create_app
from tests.serving.routes.calls import post, wait_until

USERS = ("u0", "u1")


@pytest.fixture
def clients(shop_settings, new_store):
    store = {"store": SecretStr(new_store("sqlite")), "session_cache_mb": 1}
    settings = shop_settings.model_copy(update=store)
    with TestClient(create_app(settings)) as one, TestClient(create_app(settings)) as other:
        yield one, other


def test_what_other_gateways_keep_of_a_user_goes_by_itself(clients):
    recommenders = [client.app.state.service.loaded.recommender for client in clients]
    for client in clients:
        for user_id in USERS:
            post(client, "/v1/recommend", user_id=user_id, k=3)
    for recommender in recommenders:
        assert recommender.remembered >= set(USERS)
    of_one = len(recommenders[1].session_cache)
    assert clients[0].delete("/v1/users/u0").status_code in (200, 204)
    assert not recommenders[0].remembered & {"u0"}
    wait_until(lambda: "u0" not in recommenders[1].remembered)
    assert "u1" in recommenders[1].remembered
    assert 0 < len(recommenders[1].session_cache) < of_one
    # Who comes back is kept like anybody, and is not dropped for having been deleted once.
    post(clients[1], "/v1/events", events=[{"user_id": "u0", "item_id": "i1"}])
    post(clients[1], "/v1/recommend", user_id="u0", k=3)
    clients[1].portal.call(clients[1].app.state.service.catch_up)
    assert "u0" in recommenders[1].remembered
