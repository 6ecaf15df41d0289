"""Gateways on one store: whoever reads a user's events answers in the light of what came before."""

import pytest
from fastapi.testclient import TestClient

from genrec.serving import following
from genrec.serving.http.app import create_app
from tests.serving.routes.calls import click, item_ids, post


@pytest.fixture
def gateways(shop_settings, monkeypatch):
    monkeypatch.setattr(following, "POLL_S", 3600)  # only requests tell
    one, two = (TestClient(create_app(shop_settings)) for _ in range(2))
    with one, two:
        yield one, two


def test_a_request_heeds_what_another_gateway_was_told(gateways):
    one, two = gateways
    asked = {"user_id": "u1", "k": 4, "shown": False}
    first, second, third, _ = item_ids(post(two, "/v1/recommend", **asked))
    assert one.put("/v1/rules/no", json={"rule": {"ban": {"item_id": first}}, "always": True})
    assert one.delete(f"/v1/items/{second}").status_code == 204
    assert one.put(
        "/v1/users/u1/preferences", json={"preferences": [{"never": {"item_id": third}}]}
    ).is_success
    assert not {first, second, third} & set(item_ids(post(two, "/v1/recommend", **asked)))
    # An item that is not known here may be known there.
    assert one.put("/v1/items", json={"items": [{"item_id": "N1", "title": "Tea"}]}).is_success
    assert item_ids(post(two, "/v1/recommend", events=[], candidates=["N1"], k=1)) == ["N1"]
    assert click(two, "new", "N1")["accepted"] == 1
    assert post(one, "/v1/recommend", user_id="new", k=1)["num_events"] == 1
    post(two, "/v1/recommend", 422, events=[], candidates=["N2"], k=1)


def test_what_is_stored_bears_the_time_of_the_service(shop_settings):
    with TestClient(create_app(shop_settings, clock=lambda: 4_000_000_000.5)) as client:
        said = {"preferences": [{"never": {"brand": "Dune"}}]}
        answers = [
            client.put("/v1/users/u2/preferences", json=said),
            client.put("/v1/rules/late", json={"rule": {"ban": {"brand": "Dune"}}}),
        ]
        assert [answer.json()["time"] for answer in answers] == [4_000_000_000] * 2
        client.delete("/v1/users/u2/preferences")
        client.delete("/v1/rules/late")
