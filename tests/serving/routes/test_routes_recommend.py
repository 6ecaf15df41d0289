"""Recommendations through the gateway are the library's, on both stores."""

import pytest

from genrec.schema import Event, History, Request
from tests.serving.routes.calls import NOW, check_same, item_ids, post


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


def test_a_new_user_needs_no_events(client, library):
    answer = post(client, "/v1/recommend", events=[], k=5)
    assert item_ids(answer) == [item.item_id for item in library.recommend(events=[], k=5)]
    assert answer["num_events"] == 0
    words = post(client, "/v1/interests", events=[])
    assert words["interests"] == [] and words["words"] == "Not enough history to say."
    assert words["summary"]["summary"] == words["words"] and not words["summary"]["emerging"]
    assert words["timeline"] == {"timestamps": [], "series": []}


def test_filters_hold(client, library, users):
    candidates = [item.item_id for item in library.data.items[:30]]
    body = {"events": [], "candidates": candidates, "exclude": candidates[:10], "k": 20}
    assert set(item_ids(post(client, "/v1/recommend", **body))) == set(candidates[10:])
    fault = post(client, "/v1/recommend", 422, **(body | {"k": 21}))["error"]
    assert fault["code"] == "too_few_items"
    assert "21" in fault["message"] and "20" in fault["message"]
    seen = library.data.history(users[1]).events[-1].item_id
    wanted = {"user_id": users[1], "candidates": [seen], "k": 1}
    assert post(client, "/v1/recommend", 422, **wanted)["error"]["code"] == "too_few_items"
    assert item_ids(post(client, "/v1/recommend", **wanted, filter_seen=False)) == [seen]


def test_moment_and_kind_of_the_act_are_passed_on(client, library, users):
    last = library.data.history(users[2]).events[-1].timestamp
    at, kind = last + 40 * 86_400, "purchase"
    answer = post(client, "/v1/recommend", user_id=users[2], at=at, event_type=kind, k=5)
    expected = library.recommend(users[2], at=at, event_type=kind, k=5)
    for item, wanted in zip(answer["items"], expected, strict=True):
        assert item["score"] == pytest.approx(wanted.score, abs=1e-4)
    fault = post(client, "/v1/recommend", 422, user_id=users[2], at=last - 10_000)["error"]
    assert fault["code"] == "asked_in_the_past" and str(last) in fault["message"]


def test_times_are_seconds_or_iso_strings(client):
    def times(timestamp, at):
        events = [{"item_id": "P001", "timestamp": timestamp}]
        return post(client, "/v1/recommend", events=events, at=at, k=3)

    expected = times(1_700_000_000, 1_700_086_400)
    check_same(times("2023-11-14T22:13:20Z", "2023-11-15T23:13:20+01:00"), expected)
    check_same(times("2023-11-14 22:13:20", "2023-11-15T22:13:20"), expected)
    fault = post(client, "/v1/recommend", 422, events=[], at="2023-13-01")["error"]
    assert "body.at" in fault["message"]


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
    expected = library.rank_many([request], 100)[0]
    assert item_ids(answer) == [item.item_id for item in expected]
