"""What each route promises, on both stores, against the library's own answers."""

import time

import pytest

from genrec.recommend import Recommender
from genrec.schema import Event, History, Request

NOW = int(time.time())


@pytest.fixture(scope="module")
def library(chain):
    return Recommender.load(chain.sft, "cpu")


@pytest.fixture(scope="module", params=("sqlite", "postgres"))
def client(request, new_client):
    return new_client(request.param)


@pytest.fixture(scope="module")
def users(library):
    """Users of the prepared data; a test that changes one takes it from the end."""
    return [history.user_id for history in library.data.histories("test")]


def post(client, path, status=200, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def click(client, user_id, item_id, **fields):
    return post(client, "/v1/events", events=[{"user_id": user_id, "item_id": item_id, **fields}])


def item_ids(answer):
    return [item["item_id"] for item in answer["items"]]


def test_recommendations_are_the_librarys(client, library, users):
    answer = post(client, "/v1/recommend", user_id=users[0], k=7)
    expected = library.recommend(users[0], k=7)
    assert item_ids(answer) == [item.item_id for item in expected]
    for item, wanted in zip(answer["items"], expected, strict=True):
        assert (item["rank"], item["title"]) == (wanted.rank, wanted.title)
        assert item["score"] == pytest.approx(wanted.score, abs=1e-4)
        assert item["semantic_id"] == list(wanted.semantic_id)
        assert item["reason"] is None
    assert answer["num_events"] == len(library.data.history(users[0]).events)
    assert answer["adapter"] == library.adapter


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


def test_a_new_user_needs_no_events(client, library):
    answer = post(client, "/v1/recommend", events=[], k=5)
    assert item_ids(answer) == [item.item_id for item in library.recommend(events=[], k=5)]
    assert answer["num_events"] == 0
    words = post(client, "/v1/interests", events=[])
    assert words["interests"] == [] and words["words"] == "Not enough history to say."
    assert words["summary"]["summary"] == words["words"] and not words["summary"]["emerging"]
    assert words["stream"] == {"timestamps": [], "series": []}


def test_filters_hold(client, library, users):
    only = [item.item_id for item in library.data.items[:30]]
    body = {"events": [], "only": only, "exclude": only[:10], "k": 20}
    assert set(item_ids(post(client, "/v1/recommend", **body))) == set(only[10:])
    fault = post(client, "/v1/recommend", 422, **(body | {"k": 21}))["error"]
    assert fault["code"] == "too_few_items"
    assert "21" in fault["message"] and "20" in fault["message"]
    seen = library.data.history(users[1]).events[-1].item_id
    wanted = {"user_id": users[1], "only": [seen], "k": 1}
    assert post(client, "/v1/recommend", 422, **wanted)["error"]["code"] == "too_few_items"
    assert item_ids(post(client, "/v1/recommend", **wanted, repeats=True)) == [seen]


def test_moment_and_kind_of_the_act_are_passed_on(client, library, users):
    last = library.data.history(users[2]).events[-1].timestamp
    at, kind = last + 40 * 86_400, "purchase"
    answer = post(client, "/v1/recommend", user_id=users[2], at=at, event_type=kind, k=5)
    expected = library.recommend(users[2], at=at, event_type=kind, k=5)
    for item, wanted in zip(answer["items"], expected, strict=True):
        assert item["score"] == pytest.approx(wanted.score, abs=1e-4)
    fault = post(client, "/v1/recommend", 422, user_id=users[2], at=last - 10_000)["error"]
    assert fault["code"] == "asked_in_the_past" and str(last) in fault["message"]


def test_a_past_moment_an_event_left_out_and_interests_turned_are_the_librarys(
    client, library, users
):
    events = library.data.history(users[2]).events
    moment = events[len(events) // 2].timestamp
    name = library.name_of(library.codes_of("P001")[:1])
    prefix = list(library.codes_of("P002")[:2])
    supposed = [
        ({"as_of": moment}, {"as_of": moment}),
        ({"without": [0, -1]}, {"without": [0, -1]}),
        (
            {"tilt": [{"interest": name, "nats": 1}, {"prefix": prefix, "nats": -2.5}]},
            {"tilt": {name: 1.0, tuple(prefix): -2.5}},
        ),
        (
            {"as_of": moment, "without": [1], "tilt": [{"interest": name, "nats": 9}]},
            {"as_of": moment, "without": [1], "tilt": {name: 9.0}},
        ),
    ]
    for body, arguments in supposed:
        answer = post(client, "/v1/recommend", user_id=users[2], k=6, **body)
        expected = library.recommend(users[2], k=6, **arguments)
        assert item_ids(answer) == [item.item_id for item in expected]
        first = expected[0]
        why = post(client, "/v1/explain", user_id=users[2], item_id=first.item_id, **body)
        assert why["score"] == pytest.approx(first.score, abs=1e-4)
        wanted = library.explain(first.item_id, users[2], **arguments).to_json()
        assert (why["sentence"], why["interest"]) == (wanted["sentence"], wanted["interest"])
        assert [one["place"] for one in why["effects"]] == [
            one["place"] for one in wanted["effects"]
        ]
        nats = [one["nats"] for one in wanted["effects"]]
        assert [one["nats"] for one in why["effects"]] == pytest.approx(nats, abs=2e-4)


def test_a_posted_event_is_left_out_by_its_id(client, library, users):
    user_id = users[-2]
    before = post(client, "/v1/recommend", user_id=user_id, k=5, at=NOW)
    click(client, user_id, "P003", event_id="to leave out", timestamp=NOW - 50)
    after = post(client, "/v1/recommend", user_id=user_id, k=5, at=NOW, without=["to leave out"])
    kind = library.data.history(user_id).events[-1].event_type
    assert after["num_events"] == before["num_events"]
    assert item_ids(after) == item_ids(before), kind
    fault = post(client, "/v1/recommend", 422, user_id=user_id, without=["never"])["error"]
    assert fault["code"] == "unknown_event" and "'never'" in fault["message"]


def test_suppositions_that_make_no_sense_are_refused(client, users):
    for body, words in (
        ({"without": [999]}, "no event 999"),
        ({"tilt": [{"interest": "qqqq", "nats": 1}]}, "no interest is called"),
        ({"tilt": [{"prefix": [10**6], "nats": 1}]}, "no item lies under"),
        ({"tilt": [{"prefix": [1], "interest": "x", "nats": 1}]}, "either interest"),
        ({"tilt": [{"prefix": [1], "nats": 1e9}]}, "100"),
        ({"as_of": -1}, "as_of"),
        ({"only": ["P001"], "item_id": "P002"}, "forbid"),
    ):
        body = {"user_id": users[0], "item_id": "P001", "repeats": True} | body
        fault = post(client, "/v1/explain", 422, **body)["error"]
        assert words in fault["message"], fault
    fault = post(client, "/v1/explain", 422, events=[], item_id="nothing")["error"]
    assert fault["code"] == "unknown_item"
    empty = post(client, "/v1/explain", events=[], item_id="P001")
    assert empty["effects"] == [] and empty["whole"] == 0
    assert empty["sentence"].startswith("There is no history")


def test_more_items_than_beams_do_not_change_a_neighbours_answer(client, library):
    answer = post(client, "/v1/recommend", events=[], k=120)
    assert len(set(item_ids(answer))) == 120
    expected = library.recommend(events=[], k=120)
    assert item_ids(answer) == [item.item_id for item in expected]


def test_a_reason_names_events_of_the_history(client, library, users):
    answer = post(client, "/v1/recommend", user_id=users[0], k=10, explain=True)
    own = {(event.item_id, event.timestamp) for event in library.data.history(users[0]).events}
    reasons = [item["reason"] for item in answer["items"] if item["reason"]]
    assert reasons
    for item in answer["items"]:
        if item["reason"] is None:
            firsts = {library.codes_of(item_id)[0] for item_id, _ in own}
            assert item["semantic_id"][0] not in firsts
            continue
        assert item["reason"]["interest"] in item["reason"]["sentence"]
        for event in item["reason"]["events"]:
            assert (event["item_id"], event["timestamp"]) in own
            assert library.codes_of(event["item_id"])[0] == item["semantic_id"][0]
            assert event["title"] in item["reason"]["sentence"]


def test_interests_are_the_librarys_and_their_stream_ends_in_them(client, library, users):
    answer = post(client, "/v1/interests", user_id=users[3], top=3)
    summary = library.interests(users[3])
    assert answer["words"] == summary.words and answer["by_model"] == summary.by_model
    assert answer["unsupported"] == list(summary.unsupported)
    assert [interest["name"] for interest in answer["interests"]] == [
        interest.name for interest in summary.interests
    ]
    assert answer["summary"] == summary.form.model_dump()
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
    stream = answer["stream"]
    assert stream["timestamps"] == [event.timestamp for event in events]
    weights = {series["name"]: series["weights"] for series in stream["series"]}
    for interest in answer["interests"]:
        assert len(weights[interest["name"]]) == len(events)
        assert weights[interest["name"]][-1] == pytest.approx(interest["weight"], abs=1e-5)
    ends = [series["weights"][-1] for series in stream["series"]]
    assert ends == sorted(ends, reverse=True) and len(ends) >= len(answer["interests"])
    for weights in zip(*(series["weights"] for series in stream["series"]), strict=True):
        assert 0 <= sum(weights) <= 1 + 1e-5


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


def test_ids_with_odd_characters_have_a_page(client):
    for user_id in ("a/b c", "ü?&#%", "..", "."):
        click(client, user_id, "P001")
    for encoded in ("a%2Fb%20c", "%C3%BC%3F%26%23%25"):
        assert len(client.get(f"/v1/users/{encoded}").json()["events"]) == 1


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
    only = post(client, "/v1/recommend", events=[], only=["N-new"], k=1)["items"][0]
    assert only["title"] == item["title"] and only["semantic_id"] == placed["semantic_id"]
    everything = item_ids(post(client, "/v1/recommend", events=[], k=before + 1))
    assert "N-new" in everything and len(set(everything)) == before + 1
    shown = client.get("/v1/items/N-new").json()
    assert shown["semantic_id"] == placed["semantic_id"] and shown["interest"]
    assert client.get("/v1/items", params={"query": "puppy FILE"}).json()["items"][0] == {
        key: item[key] for key in ("item_id", "title", "brand", "categories")
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


def test_answers_tell_how_long_they_took(client):
    answer = client.post("/v1/recommend", json={"events": [], "k": 1})
    engine_ms = float(answer.headers["server-timing"].partition("engine;dur=")[2])
    assert 0 < engine_ms <= answer.json()["took_ms"]
    assert (
        "engine;dur=" in client.post("/v1/interests", json={"events": []}).headers["server-timing"]
    )


def test_the_gateway_tells_how_it_is(client):
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json()["status"] == "ready"
    assert "<html" in client.get("/").text
    before = read_metrics(client)
    post(client, "/v1/recommend", events=[], k=3)
    post(client, "/v1/recommend", 422, events=[], k=0)
    after = read_metrics(client)
    route = 'method="POST",route="/v1/recommend"'
    for line, step in (
        (f'genrec_requests_total{{{route},status="200"}}', 1),
        (f'genrec_requests_total{{{route},status="422"}}', 1),
        ('genrec_batch_size_count{kind="items"}', 1),
        ('genrec_request_seconds_count{route="/v1/recommend"}', 2),
        ("genrec_recommended_items_total", 3),
        ("genrec_invalid_items_total", 0),
    ):
        assert after[line] - before.get(line, 0) == step
    assert 0 < after["genrec_coverage"] <= 1
    assert after["genrec_invalid_rate"] == 0 and after["genrec_queue_depth"] == 0
    assert after["process_resident_memory_bytes"] > 1e7


def read_metrics(client):
    lines = client.get("/metrics").text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def test_every_example_of_the_openapi_document_works(client):
    document = client.get("/openapi.json").json()
    tried = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            for media in content.values():
                name = media["schema"]["$ref"].rpartition("/")[2]
                example = document["components"]["schemas"][name]["example"]
                answer = client.request(method, path.replace("{name}", "example"), json=example)
                assert answer.status_code == 200, (path, answer.text)
                tried += 1
            described = operation["responses"]
            assert "HTTPValidationError" not in str(described), path
    assert tried == 7


def test_history_is_bounded_but_its_items_stay_excluded(new_client, library):
    client = new_client("sqlite", max_history_events=5)
    items = [item.item_id for item in library.data.items[:40]]
    events = [
        {"user_id": "long", "item_id": item_id, "timestamp": NOW - 100 + number}
        for number, item_id in enumerate(items)
    ]
    post(client, "/v1/events", events=events)
    answer = post(client, "/v1/recommend", user_id="long", k=100)
    assert answer["num_events"] == 5
    assert not set(items) & set(item_ids(answer))
    inline = [Event("x", item_id, NOW - 100 + number) for number, item_id in enumerate(items)]
    request = Request(History("x", tuple(inline[-5:])), exclude=frozenset(items))
    expected = library.recommend_many([request], 100)[0]
    assert item_ids(answer) == [item.item_id for item in expected]
