"""What a user cares about, and what the catalogue holds, through the gateway."""

import pytest

from tests.serving.routes.calls import click, item_ids, post


def test_interests_are_the_librarys_and_their_stream_ends_in_them(client, library, users):
    answer = post(client, "/v1/interests", user_id=users[3], top=3)
    summary = library.interests(users[3])
    assert answer["words"] == summary.words and answer["by_model"] == summary.by_model
    assert answer["unsupported"] == list(summary.unsupported)
    assert [interest["name"] for interest in answer["interests"]] == [
        interest.name for interest in summary.interests
    ]
    assert answer["summary"] == summary.content.model_dump()
    assert answer["summary"]["summary"] == answer["words"]
    assert answer["moved"] == list(summary.moved)
    numbered = library.data.history(users[3]).events
    for name in ("long_term", "recent", "emerging", "fading"):
        for claim in answer["summary"][name]:
            cited = {numbered[number - 1].item_id for number in claim["events"]}
            shown = next(one for one in answer["interests"] if one["name"] == claim["interest"])
            assert cited == {event["item_id"] for event in shown["events"]}
    expected = library.next_interests(users[3], top=3)
    assert [
        (one["name"], pytest.approx(one["probability"], abs=1e-4)) for one in answer["expected"]
    ] == expected
    events = library.data.history(users[3]).events
    stream = answer["timeline"]
    assert stream["timestamps"] == [event.timestamp for event in events]
    weights = {series["name"]: series["weights"] for series in stream["series"]}
    for interest in answer["interests"]:
        assert len(weights[interest["name"]]) == len(events)
        assert weights[interest["name"]][-1] == pytest.approx(interest["weight"], abs=1e-5)
        assert (interest["p_value"] == 1) == (interest["trend"] == "steady")
    ends = [series["weights"][-1] for series in stream["series"]]
    assert ends == sorted(ends, reverse=True) and len(ends) >= len(answer["interests"])
    for weights in zip(*(series["weights"] for series in stream["series"]), strict=True):
        assert 0 <= sum(weights) <= 1 + 1e-5


def test_a_new_item_is_recommendable_in_the_next_call(client):
    item = {
        "item_id": "N-new",
        "title": "Fernpaw Puppy Nail File",
        "brand": "Fernpaw",
        "categories": ["Pets", "Dogs", "Grooming"],
    }
    before = len(client.get("/v1/items", params={"limit": 1000}).json()["items"])
    answer = client.put("/v1/items", json={"items": [item, {"item_id": "P001"}]})
    placed, old = answer.json()["items"]
    assert placed["new"] and not old["new"]
    candidates = post(client, "/v1/recommend", events=[], candidates=["N-new"], k=1)["items"][0]
    assert (
        candidates["title"] == item["title"] and candidates["semantic_id"] == placed["semantic_id"]
    )
    everything = item_ids(post(client, "/v1/recommend", events=[], k=before + 1))
    assert "N-new" in everything and len(set(everything)) == before + 1
    shown = client.get("/v1/items/N-new").json()
    assert shown["semantic_id"] == placed["semantic_id"] and shown["interest"]
    assert client.get("/v1/items", params={"query": "puppy FILE"}).json()["items"][0] == {
        **{key: item[key] for key in ("item_id", "title", "brand", "categories")},
        "retired": False,
    }
    click(client, "fan", "N-new")
    assert "N-new" not in item_ids(post(client, "/v1/recommend", user_id="fan", k=20))
    again = client.put("/v1/items", json={"items": [item]}).json()["items"][0]
    assert again == placed | {"new": False}


def test_items_are_found_by_words(client, library):
    found = client.get("/v1/items", params={"query": "espresso machine"}).json()["items"]
    assert found
    for item in found:
        text = " ".join([item["title"], item["brand"] or "", *item["categories"]]).casefold()
        assert "espresso" in text and "machine" in text
    assert client.get("/v1/items", params={"query": "no such thing"}).json() == {"items": []}
    shown = client.get(f"/v1/items/{found[0]['item_id']}").json()
    assert shown["semantic_id"] == list(library.codes_of(found[0]["item_id"]))
    assert client.get("/v1/items/nope").json()["error"]["code"] == "unknown_item"


def test_no_attribute_of_one_item_spoils_the_filters_of_all(client):
    huge = 10**400
    item = {"item_id": "SPOILT", "title": "t", "attributes": {"price": huge}}
    assert client.put("/v1/items", json={"items": [item]}).status_code == 422
    item["attributes"] = {"price": "9" * 400, "colours": []}
    assert client.put("/v1/items", json={"items": [item]}).status_code == 200
    assert client.get("/v1/catalogue/attributes").status_code == 200
    asked = {"events": [], "k": 1, "filters": {"price": {"gt": 5}}}
    assert client.post("/v1/recommend", json=asked).status_code in (200, 422)
    assert client.delete("/v1/items/SPOILT").status_code == 204


def test_the_attributes_say_what_filters_can_ask_for(client):
    answer = client.get("/v1/catalogue/attributes", params={"values": 2}).json()["attributes"]
    by_name = {one["name"]: one for one in answer}
    assert {"brand", "categories", "interest", "new"} <= set(by_name)
    assert "title" not in by_name
    value, count = by_name["brand"]["values"][0].values()
    assert len(by_name["brand"]["values"]) == 2 < by_name["brand"]["num_values"]
    body = {"events": [], "filters": {"brand": value}}
    assert post(client, "/v1/recommend", k=count, **body)["items"]
    assert post(client, "/v1/recommend", 422, k=count + 1, **body)["error"]["code"]
    assert client.get("/v1/catalogue/attributes", params={"values": -1}).status_code == 422
