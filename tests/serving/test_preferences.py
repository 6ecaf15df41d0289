"""Preferences over HTTP, on the little shop."""

import sqlite3
from contextlib import closing

import pytest
from fastapi.testclient import TestClient

from genrec.serving.http.app import create_app
from tests.serving.routes.calls import check_same, click, item_ids, post


@pytest.fixture(scope="module")
def client(shop_settings):
    with TestClient(create_app(shop_settings)) as client:
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
    again = ask(client, "u1")
    check_same(again, before)
    assert again | {"items": []} == before | {"items": []}
    assert client.delete("/v1/users/u1/preferences").status_code == 404


def test_a_request_may_bring_preferences_of_its_own(client, put, shop):
    put("u2", {"never": TEA})
    given = ask(client, "u2", preferences=[{"never": {"brand": "Acme"}}])
    assert any(is_tea(shop, one) for one in item_ids(given))
    assert all(shop.item(one).brand != "Acme" for one in item_ids(given))
    plain = ask(client, "u2", preferences=[])
    assert item_ids(plain) == [item.item_id for item in shop.recommend("u2", k=6)]


def test_receipts_name_events_moments_and_who_says_so(client, put, shop):
    history = shop.history("u5")
    gift = history.events[0]
    given = {"gift": {"item_id": gift.item_id, "timestamp": gift.timestamp}}
    answer = put("u5", {"less": {"categories": "Tea"}}, given)
    assert answer == client.get("/v1/users/u5/preferences").json()
    wish, *others = answer["interests"]
    assert wish["want"] == "less" and wish["said_by"] == ["user"] and wish["prefix"] is None
    tea = [one for one in history.events[1:] if is_tea(shop, one.item_id)]
    assert [one["item_id"] for one in wish["events"]] == [one.item_id for one in tea]
    assert wish["since"] == (tea[0].timestamp if tea else None)
    assert others and all(one["want"] is None and one["said_by"] for one in others)
    assert sum("model" in one["said_by"] for one in others) == 5
    assert all(one["expected"] is not None for one in others if "model" in one["said_by"])


def test_a_wish_against_the_events_is_told(client, put):
    for number, item_id in enumerate(("i0", "i4", "i8")):
        click(client, "tea lover", item_id, timestamp=1000 + number)
    (wish, *_) = put("tea lover", {"never": TEA})["interests"]
    assert wish["contradiction"].endswith("3 of your last 3 events are of it")
    summary = post(client, "/v1/interests", user_id="tea lover")
    assert summary["interests"] == [] and summary["timeline"]["timestamps"] == []
    assert post(client, "/v1/interests", user_id="tea lover", preferences=[])["interests"]


def test_what_is_never_wanted_is_named_nowhere(client, put):
    def named(answer):
        evolution, timeline = answer["evolution"], answer["timeline"]
        lists = [evolution[each] for each in ("series", "births", "forecast")]
        lists += [answer["interests"], answer["expected"], timeline["series"]]
        named = {one["name"] for some in lists for one in some}
        return named.union(answer["unsupported"], answer["moved"])

    before = named(post(client, "/v1/interests", user_id="u7", top=18))
    never = [one["name"] for one in client.get("/v1/users/u7/preferences").json()["interests"]][:2]
    assert before >= set(never)
    put("u7", *({"never": name} for name in never))
    after = named(post(client, "/v1/interests", user_id="u7", top=18))
    assert after and not after & set(never)


def test_explanations_heed_what_is_said(client, put, shop):
    item_id = item_ids(ask(client, "u6"))[0]
    events = shop.history("u6").events
    put("u6", {"gift": events[-1].item_id})
    why = post(client, "/v1/explain", user_id="u6", item_id=item_id)
    assert events[-1].item_id not in {effect["item_id"] for effect in why["effects"]}
    put("u6", {"never": {"item_id": item_id}})
    fault = post(client, "/v1/explain", 422, user_id="u6", item_id=item_id)["error"]
    assert "the filters forbid" in fault["message"]


def test_feedback_counts_from_the_next_answer_on(client, shop):
    click(client, "grader", "i1", timestamp=1000, event_type="view")
    first, second = item_ids(ask(client, "grader"))[:2]
    click(client, "grader", first, timestamp=1001, event_type="not_interested")
    click(client, "grader", second, timestamp=1002, event_type="Already have")
    found = item_ids(ask(client, "grader", filter_seen=False))
    assert first not in found and second not in found
    events = [
        {"item_id": "i1", "timestamp": 1000, "event_type": "view"},
        {"item_id": first, "timestamp": 1001, "event_type": "not_interested"},
        {"item_id": second, "timestamp": 1002, "event_type": "Already have"},
    ]
    inline = post(client, "/v1/recommend", events=events, k=6, filter_seen=False)
    assert item_ids(inline) == found
    listed = client.get("/v1/users/grader").json()["events"]
    assert [one["event_type"] for one in listed] == [one["event_type"] for one in events]
    summary = post(client, "/v1/interests", user_id="grader")
    assert len(summary["timeline"]["timestamps"]) == 2


def test_who_is_deleted_says_nothing_any_more(client, put):
    click(client, "leaver", "i1", timestamp=1000)
    put("leaver", {"never": TEA})
    assert client.delete("/v1/users/leaver").status_code == 204
    assert client.get("/v1/users/leaver/preferences").status_code == 404
    click(client, "leaver", "i1", timestamp=2000)
    assert client.get("/v1/users/leaver/preferences").json()["preferences"] == []


@pytest.mark.parametrize(
    ("preferences", "code", "words"),
    [
        ([{"less": "Tee"}], "data", "preferences.0: no interest is called 'Tee'"),
        ([{"never": TEA}, {"pin": {"item_id": "i0"}}], "data", "contradicts 'never'"),
        ([{"gift": "i99"}], "data", "item 'i99' is not in the table"),
        ([{"gift": {"item_id": "i1", "timestamp": 1}}], "data", "has no event of item 'i1' at 1"),
        ([{"gift": {"item_id": "i1", "timestamp": 10**30}}], "data", "has no event"),
        (["less"], "invalid_request", "preferences.0"),
        ([{}] * 101, "invalid_request", "at most 100"),
        ([{"less": [10**30]}], "data", "no item lies under"),
    ],
)
def test_what_cannot_be_kept_is_told(client, put, preferences, code, words):
    fault = put("u7", *preferences, status=422)["error"]
    assert fault["code"] == code and words in fault["message"]
    assert client.get("/v1/users/u7/preferences").json()["preferences"] == []


def test_nobody_has_no_preferences(client, put):
    assert put("nobody", {"less": TEA}, status=404)["error"]["code"] == "unknown_user"
    assert client.get("/v1/users/nobody/preferences").status_code == 404
    fault = client.delete("/v1/users/nobody/preferences").json()["error"]
    assert fault["code"] == "no_preferences"


def test_an_id_may_hold_a_slash(client, put):
    click(client, "a/b", "i1", timestamp=1000)
    assert put("a%2Fb", {"less": TEA})["user_id"] == "a/b"
    assert client.get("/v1/users/a/b/preferences").json()["preferences"] == [{"less": TEA}]
    assert client.get("/v1/users/a/b").json()["user_id"] == "a/b"


def test_stored_wishes_outlive_what_they_name(client, put, shop_run):
    put("u8", {"never": {"item_id": ["i7"]}}, {"pin": {"brand": "Dune"}})
    recommender = client.app.state.service.loaded.recommender
    item, codes = recommender.item("i7"), recommender.codes_of("i7")
    recommender.remove_items(["i7"])
    try:
        assert len(item_ids(ask(client, "u8"))) == 6
        known = client.get("/v1/users/u8/preferences").json()
        assert len(known["lost"]) == 1 and known["lost"][0].startswith("preferences.0")
    finally:
        recommender.restore_items([item], [codes])
    assert client.get("/v1/users/u8/preferences").json()["lost"] == []


def test_nobodys_page_needs_no_store_and_a_users_does(client, shop_settings):
    path = shop_settings.store.get_secret_value().removeprefix("sqlite:///")
    body = {"events": [{"item_id": "i1"}], "k": 3}
    before = post(client, "/v1/recommend", **body)
    assert before["recommendation_id"]
    tables = ("events", "impressions", "changes")

    def rename(old, new):
        with closing(sqlite3.connect(path)) as store:
            for table in tables:
                store.execute(f"ALTER TABLE {old.format(table)} RENAME TO {new.format(table)}")

    rename("{}", "{}_away")
    try:
        during = post(client, "/v1/recommend", **body)
        assert during["recommendation_id"] is None and item_ids(during) == item_ids(before)
        post(client, "/v1/interests", events=body["events"])
        post(client, "/v1/recommend", 503, user_id="u1", k=3)
    finally:
        rename("{}_away", "{}")
    assert post(client, "/v1/recommend", **body)["recommendation_id"]
