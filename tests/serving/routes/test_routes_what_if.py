"""Suppositions through the gateway: another moment, events left out, interests turned."""

import pytest

from tests.serving.routes.calls import NOW, click, item_ids, post


def test_a_past_moment_an_event_left_out_and_interests_turned_are_the_librarys(
    client, library, users
):
    events = library.data.history(users[2]).events
    moment = events[len(events) // 2].timestamp
    name = library.name_of(library.codes_of("P001")[:1])
    prefix = list(library.codes_of("P002")[:2])
    supposed = [
        ({"as_of": moment}, {"as_of": moment}),
        ({"without": [1, -1]}, {"without": [1, -1]}),
        (
            {
                "interest_bias": [
                    {"interest": name, "strength": 1},
                    {"prefix": prefix, "strength": -2.5},
                ]
            },
            {"interest_bias": {name: 1.0, tuple(prefix): -2.5}},
        ),
        (
            {"as_of": moment, "without": [1], "interest_bias": [{"interest": name, "strength": 9}]},
            {"as_of": moment, "without": [1], "interest_bias": {name: 9.0}},
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
        assert [one["event"] for one in why["effects"]] == [
            one["event"] for one in wanted["effects"]
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
        ({"without": [0]}, "no event 0"),
        ({"interest_bias": [{"interest": "qqqq", "strength": 1}]}, "no interest is called"),
        ({"interest_bias": [{"prefix": [10**6], "strength": 1}]}, "no item lies under"),
        ({"interest_bias": [{"prefix": [1], "interest": "x", "strength": 1}]}, "either interest"),
        ({"interest_bias": [{"prefix": [1], "strength": 1e9}]}, "100"),
        ({"as_of": -1}, "as_of"),
        ({"candidates": ["P001"], "item_id": "P002"}, "forbid"),
    ):
        body = {"user_id": users[0], "item_id": "P001", "filter_seen": False} | body
        fault = post(client, "/v1/explain", 422, **body)["error"]
        assert words in fault["message"], fault
    fault = post(client, "/v1/explain", 422, events=[], item_id="nothing")["error"]
    assert fault["code"] == "unknown_item"
    empty = post(client, "/v1/explain", events=[], item_id="P001")
    assert empty["effects"] == [] and empty["whole"] == 0
    assert empty["sentence"].startswith("There is no history")
