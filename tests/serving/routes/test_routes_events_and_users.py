"""What is posted counts from the next call on; users come and go."""

import time
from urllib.parse import quote

import pytest

from genrec.schema import Event
from tests.serving.routes.calls import NOW, click, item_ids, post


def test_a_click_is_reflected_in_the_very_next_recommendation(client, library, users):
    user_id, events = users[-1], list(library.data.history(users[-1]).events)
    for number in range(4):
        answer = post(client, "/v1/recommend", user_id=user_id, k=5)
        assert answer["num_events"] == len(events)
        clicked = item_ids(answer)[0]
        event = Event(user_id, clicked, NOW - 100 + number, "view")
        click(client, user_id, clicked, timestamp=event.timestamp, event_type="view")
        events.append(event)
        after = post(client, "/v1/recommend", user_id=user_id, k=5)
        assert clicked not in item_ids(after)
        expected = library.recommend(events=events, k=5)
        assert item_ids(after) == [item.item_id for item in expected]
        assert after["items"][0]["score"] == pytest.approx(expected[0].score, abs=1e-4)


def test_posting_an_id_again_changes_nothing(client, users):
    event = {"event_id": "again", "user_id": "idempotent", "item_id": "P001", "timestamp": NOW}
    assert post(client, "/v1/events", events=[event]) == {"accepted": 1, "duplicates": 0}
    assert post(client, "/v1/events", events=[event]) == {"accepted": 0, "duplicates": 1}
    both = [event, event | {"event_id": "another"}, event | {"event_id": "another"}]
    assert post(client, "/v1/events", events=both) == {"accepted": 1, "duplicates": 2}
    assert len(client.get("/v1/users/idempotent").json()["events"]) == 2


def test_a_batch_is_stored_whole_or_not_at_all(client):
    events = [{"user_id": "whole", "item_id": item_id} for item_id in ("P001", "nothing")]
    fault = post(client, "/v1/events", 422, events=events)["error"]
    assert fault["code"] == "unknown_item" and "'nothing'" in fault["message"]
    assert client.get("/v1/users/whole").status_code == 404


def test_events_out_of_order_are_ordered_by_time(client):
    for item_id, age in (("P003", 10), ("P001", 300), ("P002", 100)):
        click(client, "shuffled", item_id, timestamp=NOW - age)
    events = client.get("/v1/users/shuffled").json()["events"]
    assert [event["item_id"] for event in events] == ["P001", "P002", "P003"]
    inline = [
        {"item_id": item_id, "timestamp": NOW - age}
        for item_id, age in (("P003", 10), ("P001", 300), ("P002", 100))
    ]
    stored = post(client, "/v1/recommend", user_id="shuffled", k=5)
    assert item_ids(post(client, "/v1/recommend", events=inline, k=5)) == item_ids(stored)


def test_an_event_without_a_time_is_of_now(client):
    click(client, "timeless", "P001", rating=4, review="nice", title="So")
    event = client.get("/v1/users/timeless").json()["events"][0]
    assert abs(event.pop("timestamp") - time.time()) < 60
    assert event == {
        "event_id": None,
        "item_id": "P001",
        "title": client.get("/v1/items/P001").json()["title"],
        "event_type": None,
        "rating": 4.0,
        "review": "So. nice",
    }


def test_users_of_both_sources_are_listed_by_id(client, users):
    click(client, "0-first", "P001")
    known = {
        user["user_id"]: user["num_events"]
        for user in client.get("/v1/users", params={"limit": 1000}).json()["users"]
    }
    assert list(known) == sorted(known)
    assert known["0-first"] == 1 and set(users[:-1]) <= set(known)
    before = known[users[4]]
    click(client, users[4], "P001")
    found = client.get("/v1/users", params={"query": users[4].upper(), "limit": 5}).json()["users"]
    assert found == [{"user_id": users[4], "num_events": before + 1}]
    page = client.get("/v1/users", params={"limit": 3}).json()["users"]
    assert [user["user_id"] for user in page] == list(known)[:3]


def test_a_deleted_user_is_gone_and_may_begin_anew(client, users):
    user_id = users[-2]
    click(client, user_id, "P001", timestamp=NOW)
    assert client.delete(f"/v1/users/{user_id}").status_code == 204
    for answer in (
        client.get(f"/v1/users/{user_id}"),
        client.delete(f"/v1/users/{user_id}"),
        client.post("/v1/recommend", json={"user_id": user_id}),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "unknown_user"
        assert "/v1/events" in answer.json()["error"]["message"]
    assert client.get("/v1/users", params={"query": user_id}).json() == {"users": []}
    click(client, user_id, "P002", timestamp=NOW)
    events = client.get(f"/v1/users/{user_id}").json()["events"]
    assert [event["item_id"] for event in events] == ["P002"]


@pytest.mark.parametrize("name", ["about", "preferences"])
def test_a_user_whose_id_ends_like_an_address_is_a_user_of_their_own(client, name):
    user_id, other = f"sl-{name}", f"sl-{name}/{name}"
    click(client, user_id, "P001")
    click(client, other, "P002")
    said = {"about": "I bake."} if name == "about" else {"preferences": [{"never": {"brand": "x"}}]}
    client.put(f"/v1/users/{user_id}/about", json={"about": "I bake."})
    assert client.put(f"/v1/users/{quote(other, safe='')}/{name}", json=said).status_code != 404
    assert client.get(f"/v1/users/{quote(other, safe='')}").json()["user_id"] == other
    assert client.delete(f"/v1/users/{quote(other, safe='')}").status_code == 204
    assert client.get(f"/v1/users/{quote(other, safe='')}").status_code == 404
    assert client.get(f"/v1/users/{user_id}/about").json()["about"] == "I bake."


def test_who_only_has_preferences_and_impressions_left_can_be_deleted(client):
    user_id = "left-over"
    client.put(f"/v1/users/{user_id}/about", json={"about": "I bake."})
    client.put(f"/v1/users/{user_id}/preferences", json={"preferences": [{"more": "tea"}]})
    post(client, "/v1/recommend", user_id=user_id, k=2)
    assert client.delete(f"/v1/users/{user_id}/about").status_code == 204
    assert client.delete(f"/v1/users/{user_id}").status_code == 204
    client.put(f"/v1/users/{user_id}/about", json={"about": "I bake."})
    assert client.get(f"/v1/users/{user_id}/preferences").json()["preferences"] == []
    assert client.delete(f"/v1/users/{user_id}").status_code == 204
    assert client.delete(f"/v1/users/{user_id}").status_code == 404


def test_users_are_found_in_any_script_whatever_the_case(client):
    click(client, "ÄNNA-1", "P001")
    for query in ("ÄNNA", "änna", "nna-1"):
        found = client.get("/v1/users", params={"query": query}).json()["users"]
        assert [user["user_id"] for user in found] == ["ÄNNA-1"]


def test_ids_with_odd_characters_have_a_page(client):
    for user_id in ("a/b c", "ü?&#%", "..", "."):
        click(client, user_id, "P001")
    for encoded in ("a%2Fb%20c", "%C3%BC%3F%26%23%25"):
        assert len(client.get(f"/v1/users/{encoded}").json()["events"]) == 1
