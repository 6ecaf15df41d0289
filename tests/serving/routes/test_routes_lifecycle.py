"""Items that go and change, on every gateway; answers that say what they are known by."""

import time

import pytest
from sqlalchemy import select

from genrec.serving.store import ImpressionStore, connect
from genrec.serving.store.tables import EVENTS
from tests.serving.conftest import STORES
from tests.serving.routes.calls import NOW, click, item_ids, post


@pytest.fixture(scope="module", params=STORES)
def url(request, new_store):
    return new_store(request.param)


@pytest.fixture(scope="module")
def pair(url, new_client):
    """Two gateways on one store."""
    return new_client(url=url), new_client(url=url)


@pytest.fixture(scope="module")
def client(pair):
    return pair[0]


def within_two_seconds(says):
    """Wait until something holds; on a busy machine a little longer."""
    end = time.monotonic() + 10
    while not says():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_retired_item_is_gone_from_the_very_next_answer(client):
    click(client, "keeper", "P002")
    first, *_ = item_ids(post(client, "/v1/recommend", user_id="keeper", k=3))
    click(client, "fan", first)
    before = post(client, "/v1/recommend", user_id="fan", k=5, filter_seen=False)
    assert client.delete(f"/v1/items/{first}").status_code == 204
    assert client.delete(f"/v1/items/{first}").status_code == 204
    assert first not in item_ids(post(client, "/v1/recommend", user_id="keeper", k=50))
    # The model reads the history as before.
    after = post(client, "/v1/recommend", user_id="fan", k=4, filter_seen=False)
    assert after["num_events"] == before["num_events"]
    assert first not in item_ids(after)
    assert client.get("/v1/users/fan").json()["events"][0]["title"]
    shown = client.get(f"/v1/items/{first}").json()
    assert shown["retired"] and shown["semantic_id"]
    wanted = {"user_id": "keeper", "candidates": [first], "k": 1}
    assert post(client, "/v1/recommend", 422, **wanted)["error"]["code"] == "too_few_items"
    assert not client.patch(f"/v1/items/{first}", json={"retired": False}).json()["retired"]
    assert item_ids(post(client, "/v1/recommend", **wanted)) == [first]
    assert client.delete("/v1/items/nope").status_code == 404


def test_an_item_is_changed_in_part(client):
    before = client.get("/v1/items/P003").json()
    answer = client.patch("/v1/items/P003", json={"title": "New title", "available_until": NOW - 9})
    assert answer.json() == before | {"title": "New title", "available_until": NOW - 9}
    assert client.get("/v1/items/P003").json() == answer.json()
    wanted = {"events": [], "candidates": ["P003"], "k": 1}
    post(client, "/v1/recommend", 422, **wanted)
    client.patch("/v1/items/P003", json={"available_until": None})
    assert post(client, "/v1/recommend", **wanted)["items"][0]["title"] == "New title"
    for body, words in (
        ({}, "give what is to change"),
        ({"available_from": NOW, "available_until": NOW}, "does not lie before"),
        ({"retired": None}, "retired"),
        ({"item_id": "P004"}, "item_id"),
    ):
        fault = client.patch("/v1/items/P003", json=body)
        assert fault.status_code == 422 and words in fault.json()["error"]["message"]
    assert client.patch("/v1/items/nope", json={"title": "x"}).status_code == 404


def test_what_one_gateway_is_told_reaches_the_other(pair):
    one, two = pair
    item = {"item_id": "N-pair", "title": "Fernpaw Puppy Nail File"}
    placed = one.put("/v1/items", json={"items": [item]}).json()["items"][0]
    # Asked to add it as well, the other one first does what it was not told yet.
    assert two.put("/v1/items", json={"items": [item]}).json()["items"] == [placed | {"new": False}]
    two.delete("/v1/items/N-pair")
    within_two_seconds(lambda: one.get("/v1/items/N-pair").json()["retired"])
    one.patch("/v1/items/N-pair", json={"retired": False, "title": "File"})
    within_two_seconds(lambda: two.get("/v1/items/N-pair").json()["title"] == "File")
    wanted = {"events": [], "candidates": ["N-pair"], "k": 1}
    within_two_seconds(lambda: two.post("/v1/recommend", json=wanted).status_code == 200)
    assert item_ids(post(two, "/v1/recommend", **wanted)) == ["N-pair"]


def test_filters_heed_attributes_that_were_said_on_another_gateway(pair):
    one, two = pair
    attributes = {"price": 12.5, "sizes": ["s", "m"], "vegan": True}
    item = {"item_id": "N-cheap", "title": "Puppy Toothbrush", "attributes": attributes}
    one.put("/v1/items", json={"items": [item]})
    within_two_seconds(lambda: two.get("/v1/items/N-cheap").status_code == 200)
    assert two.get("/v1/items/N-cheap").json()["attributes"] == attributes
    asked = {"events": [], "k": 1, "filters": {"price": {"lte": 20}, "sizes": {"any": ["m"]}}}
    assert item_ids(post(two, "/v1/recommend", **asked)) == ["N-cheap"]
    two.patch("/v1/items/N-cheap", json={"attributes": {"price": 25, "sizes": ["m"]}})
    assert post(two, "/v1/recommend", 422, **asked)["error"]["code"] == "too_few_items"
    for wrong in ({"price": None}, {"price": {"amount": 3}}, {"": 1}, {"sizes": [1]}):
        fault = one.patch("/v1/items/N-cheap", json={"attributes": wrong})
        assert fault.status_code == 422 and "attributes" in fault.json()["error"]["message"]


def test_what_is_shown_is_kept_and_events_follow_it(client, url, library, users):
    answer = post(client, "/v1/recommend", user_id=users[0], k=5)
    again = post(client, "/v1/recommend", user_id=users[0], k=5)
    name, shown = answer["recommendation_id"], ImpressionStore(connect(url))
    kept = shown.read(name)
    assert [item_id for item_id, _ in kept.items] == item_ids(answer)
    assert [score for _, score in kept.items] == [item["score"] for item in answer["items"]]
    assert (kept.user_id, kept.adapter) == (users[0], answer["adapter"])
    assert abs(kept.time - time.time()) < 60 and kept.model
    # Half an hour by the clock may have ended in between.
    assert again["recommendation_id"] == name or shown.read(again["recommendation_id"]).times == 1
    unseen = post(client, "/v1/recommend", user_id=users[0], k=5, shown=False)
    assert unseen["recommendation_id"] is None and item_ids(unseen) == item_ids(answer)
    nobody = post(client, "/v1/recommend", events=[], k=2)["recommendation_id"]
    assert shown.read(nobody).user_id is None
    first, second, *_ = item_ids(answer)
    click(client, users[0], first, event_id="named", recommendation_id=name)
    click(client, users[0], second, event_id="near")
    with connect(url).connect() as connection:
        followed = dict(
            connection.execute(
                select(EVENTS.c.event_id, EVENTS.c.recommendation_id).where(
                    EVENTS.c.event_id.in_(["named", "near"])
                )
            ).all()
        )
    assert followed["named"] == name
    assert followed["near"] in (name, again["recommendation_id"])
    assert client.delete(f"/v1/users/{users[0]}").status_code == 204
    assert shown.read(name) is None


def test_retired_items_are_found_where_they_are_asked_for(client):
    assert client.delete("/v1/items/P021").status_code == 204

    def found(**wanted):
        items = client.get("/v1/items", params={"query": "P021", **wanted}).json()["items"]
        return [(item["item_id"], item["retired"]) for item in items]

    assert found() == []
    assert found(retired=True) == [("P021", True)]
    client.patch("/v1/items/P021", json={"retired": False})
    assert found() == found(retired=True) == [("P021", False)]
