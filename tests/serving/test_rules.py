"""Filters, rules, cursors and similar items over HTTP, on the little shop."""

import base64
import time
import zlib

import pytest
from fastapi.testclient import TestClient

from genrec.experiments import Experiment
from genrec.serving.http.app import create_app
from genrec.serving.store import RuleStore, connect, migrate
from tests.little_gateway import gateway_settings
from tests.serving.routes.calls import item_ids, post


@pytest.fixture(scope="module")
def client(shop_settings):
    with TestClient(create_app(shop_settings)) as client:
        yield client


@pytest.fixture
def put(client):
    """Store rules for one test."""
    names = set()

    def store(name, rule, status=200, **options):
        names.add(name)
        answer = client.put(f"/v1/rules/{name}", json={"rule": rule, **options})
        assert answer.status_code == status, answer.text
        return answer.json()

    yield store
    for name in names:
        client.delete(f"/v1/rules/{name}")


def brands(shop, answer):
    return [shop.item(item_id).brand for item_id in item_ids(answer)]


def test_filters_are_the_librarys(client, shop):
    where = {"categories": {"any": ["Kitchen"]}, "price": {"lte": 20}, "not": {"brand": "Acme"}}
    answer = post(client, "/v1/recommend", user_id="u1", k=2, filters=where)
    assert item_ids(answer) == [item.item_id for item in shop.recommend("u1", k=2, filters=where)]
    why = post(client, "/v1/explain", 422, user_id="u1", item_id="i2", filters=where)
    assert why["error"]["code"] == "data"


def test_a_rule_has_versions_and_can_be_undone(client, put):
    first, again = put("less", {"ban": {"brand": "Acme"}}), put("less", {"ban": {"brand": "Acme"}})
    second = put("less", {"ban": {"brand": "Birch"}}, always=True)
    assert (first["version"], again["version"], second["version"]) == (1, 1, 2)
    assert client.get("/v1/rules/less").json() == second
    assert client.get("/v1/rules/less", params={"version": 1}).json() == first
    assert second in client.get("/v1/rules").json()["rules"]
    assert client.delete("/v1/rules/less").status_code == 204
    assert client.get("/v1/rules/less").json()["error"]["code"] == "unknown_rule"
    assert client.delete("/v1/rules/less").status_code == 404
    assert client.get("/v1/rules/less", params={"version": 1}).json() == first
    assert put("less", {"ban": {"brand": "Acme"}})["version"] == 4


def test_rules_hold_by_name_always_or_as_given(client, put, shop):
    put("no-acme", {"ban": {"brand": "Acme"}}, always=True)
    put("one-each", {"at_most": 1, "per": "brand"})
    rules = ["one-each", {"boost": {"brand": "Dune"}, "by": 3}]
    answer = post(client, "/v1/recommend", user_id="u2", k=3, rules=rules, explain=True)
    found = brands(shop, answer)
    assert "Acme" not in found and "Dune" in found
    assert all(found.count(brand) == 1 for brand in found if brand)
    kept = {rule["name"]: rule for rule in answer["rules"]}
    assert [kept[name]["version"] for name in ("no-acme", "one-each", "rules.1")] == [1, 1, None]
    assert kept["rules.1"]["rule"] == rules[1]
    assert [shop.item(one).brand for one in kept["rules.1"]["items"]] == ["Dune"]
    plain = post(client, "/v1/recommend", user_id="u2", k=3)
    assert plain["rules"] is None and "Acme" not in brands(shop, plain)


@pytest.mark.parametrize("text", [r'["\ud800"]', '{"a": 1}', '"i1"', "[1]"])
def test_a_forged_cursor_is_refused(client, text):
    cursor = base64.urlsafe_b64encode(zlib.compress(text.encode())).decode()
    answer = post(client, "/v1/recommend", 422, user_id="u3", k=3, cursor=cursor)
    assert answer["error"]["code"] == "bad_cursor"


def test_a_cursor_shows_nothing_twice_and_rules_hold_on_each_page(client, shop):
    seen, cursor = [], None
    rules = [{"at_most": 2, "per": "brand"}]
    for _ in range(3):
        answer = post(client, "/v1/recommend", user_id="u3", k=3, rules=rules, cursor=cursor)
        found = brands(shop, answer)
        assert all(found.count(brand) <= 2 for brand in found if brand)
        seen += item_ids(answer)
        cursor = answer["cursor"]
    assert len(set(seen)) == 9
    alone = post(client, "/v1/recommend", user_id="u3", k=2, exclude=seen)
    assert item_ids(alone) == item_ids(
        post(client, "/v1/recommend", user_id="u3", k=2, cursor=cursor)
    )


def test_only_what_the_user_had(client, shop):
    had = {event.item_id for event in shop.history("u4").events}
    answer = post(client, "/v1/recommend", user_id="u4", k=2, rules=[{"seen": "only"}])
    assert set(item_ids(answer)) <= had


def test_a_rule_outlives_an_item_that_it_names(client, put, shop_run):
    put("hero", {"pin": ["i7", "i8"]}, always=True)
    recommender = client.app.state.service.loaded.recommender
    item, codes = recommender.item("i7"), recommender.codes_of("i7")
    recommender.remove_items(["i7"])
    try:
        answer = post(client, "/v1/recommend", events=[], k=3, explain=True)
        assert item_ids(answer)[1] == "i8" and "i7" not in item_ids(answer)
        assert answer["rules"][0]["items"] == ["i8"]
        assert answer["rules"][0]["absent"] == ["i7"]
        fault = put("hero2", {"pin": ["i7"]}, 422)["error"]["message"]
        assert "'i7' is not in the catalogue, or was retired" in fault
    finally:
        recommender.restore_items([item], [codes])


def test_no_new_rule_names_a_retired_item(client, put):
    put("old", {"boost": {"item_id": ["i7", "i8"]}, "by": 1})
    assert client.delete("/v1/items/i7").status_code == 204
    for rule in ({"pin": ["i7"]}, {"ban": {"not": {"item_id": "i7"}}}):
        fault = put("new", rule, 422)["error"]["message"]
        assert "'i7' was retired" in fault and "bring it back" in fault
    answer = post(client, "/v1/recommend", events=[], k=3, explain=True, rules=["old"])
    assert answer["rules"][0]["absent"] == ["i7"] and "i7" not in item_ids(answer)
    client.patch("/v1/items/i7", json={"retired": False})
    put("new", {"pin": ["i7"]})


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"filters": {"colour": "red"}}, "data", "no item has an attribute 'colour'"),
        ({"filters": {"prise": {"lte": 3}}}, "data", "did you mean 'price'?"),
        ({"filters": {"categories": {"any": ["Teaa"]}}}, "too_few_items", "did you mean 'Tea'?"),
        ({"filters": {"price": {"lte": "3"}}}, "wrong_type", "'price' holds numbers"),
        ({"filters": {"brand": {"is": "x"}}}, "data", "conditions are any, all"),
        ({"filters": [1]}, "invalid_request", "filters"),
        ({"filters": {"price": {"gt": 99}}}, "too_few_items", "leave 0 of 18"),
        ({"rules": ["nope"]}, "unknown_rule", "no rule 'nope'"),
        ({"rules": [{"bann": {"brand": "Acme"}}]}, "data", "did you mean 'ban'?"),
        ({"rules": [{"pin": ["i99"]}]}, "data", "'i99' is not in the catalogue"),
        ({"rules": [{"ban": {"item_id": "i99"}}]}, "data", "'i99' is not in the catalogue"),
        ({"rules": [{"at_most": 1, "per": "colour"}]}, "data", "no item has an attribute"),
        ({"rules": [{"at_most": 0, "per": "brand"}]}, "data", "give at least 1"),
        ({"rules": [{"calibrate": "colour"}]}, "data", "no item has an attribute 'colour'"),
        ({"rules": [{"calibrate": "brand", "by": 0}]}, "data", "give nats above 0"),
        ({"rules": [{"seen": "any", "arm": "new"}]}, "wrong_type", "experiment, arms, is"),
        ({"rules": [{"seen": "only"}, {"seen": "any"}]}, "data", "contradict"),
        ({"rules": [{"pin": ["i1"]}, {"pin": ["i2"]}]}, "data", "contradict"),
        ({"rules": [{"pin": ["i1"]}, {"ban": {"item_id": "i1"}}]}, "data", "pinned and banned"),
        (
            {"rules": [{"at_most": 1, "per": "categories"}], "k": 5},
            "too_few_items",
            "without 'rules.0' there would be one",
        ),
        ({"cursor": "abc"}, "bad_cursor", "send back the `cursor`"),
    ],
)
def test_what_cannot_be_kept_is_told(client, body, code, words):
    status = 404 if code == "unknown_rule" else 422
    fault = post(client, "/v1/recommend", status, events=[], **body)["error"]
    assert fault["code"] == code and words in fault["message"]


def test_what_no_store_or_answer_can_carry_is_refused(client):
    headers = {"Content-Type": "application/json"}
    for wrong in (r'"\ud800"', r'"\u0000"', "NaN", "1e999"):
        where = f'{{"brand": [{wrong}]}}'
        for path, body in (
            ("/v1/rules/odd", f'{{"rule": {{"ban": {where}}}}}'),
            ("/v1/recommend", f'{{"events": [], "rules": [{{"ban": {where}}}]}}'),
            ("/v1/recommend", f'{{"events": [], "filters": {where}}}'),
        ):
            method = "PUT" if "rules/" in path else "POST"
            answer = client.request(method, path, content=body, headers=headers)
            assert answer.status_code in (400, 422), (wrong, path, answer.text)
    for version in ("0", str(2**31), str(2**70)):
        assert client.get("/v1/rules/odd", params={"version": version}).status_code == 422
    assert client.get("/v1/rules/odd", params={"version": 2**31 - 1}).status_code == 404


def test_rules_that_contradict_what_always_holds_are_refused(client, put):
    put("top", {"pin": ["i3"]}, always=True)
    fault = put("never", {"ban": {"item_id": "i3"}}, 422, always=True)["error"]
    assert "pinned and banned" in fault["message"]
    assert put("maybe", {"ban": {"item_id": "i3"}})["version"] == 1


@pytest.mark.parametrize("by", ["both", "text", "behaviour"])
def test_similar_items_are_the_librarys(client, shop, by):
    where = {"categories": ["Garden"]}
    answer = post(client, "/v1/similar", item_id="i2", k=4, by=by, filters=where)
    expected = shop.similar_to("i2", 4, by, where)
    assert item_ids(answer) == [item.item_id for item in expected]
    assert all("Garden" in shop.item(item_id).categories for item_id in item_ids(answer))
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True) and scores[0] <= 1 + 1e-6


def test_retired_items_are_like_nothing(client):
    item = client.get("/v1/items", params={"limit": 1}).json()["items"][0]["item_id"]

    def similar():
        found = client.post("/v1/similar", json={"item_id": item, "k": 2}).json()["items"]
        return [one["item_id"] for one in found]

    first = similar()[0]
    assert client.delete(f"/v1/items/{first}").status_code == 204
    assert first not in similar()
    client.patch(f"/v1/items/{first}", json={"retired": False})
    assert first in similar()


def test_similar_items_that_are_not_there(client):
    assert "i99" in post(client, "/v1/similar", 422, item_id="i99")["error"]["message"]
    few = post(client, "/v1/similar", 422, item_id="i2", k=3, filters={"price": {"gt": 99}})
    assert few["error"]["code"] == "too_few_items"


def test_the_store_keeps_every_version(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/store.db")
    migrate(engine)
    store = RuleStore(engine)
    said = enumerate(({"n": 1}, {"n": 2}, None, None))
    versions = [store.put("a", rule, False, after).version for after, rule in said]
    assert versions == [1, 2, 3, 3]
    assert store.get("a", 1).rule == {"n": 1}
    assert store.get("a").rule is None and store.get("b") is None
    (now,), head = store.read(0)
    assert now == store.get("a") and head == 3 and store.read(3) == ([], 3)
    assert store.put("b", {"n": 1}, True, after=2) is None and store.get("b") is None


def test_every_gateway_heeds_a_rule_wherever_it_was_stored(client, shop_run, put):
    """Their rules come from the log: asking reads no table."""
    store = client.app.state.service.settings.store
    settings = gateway_settings(shop_run, store.get_secret_value())
    put("early", {"ban": {"brand": "Acme"}}, always=True)
    with TestClient(create_app(settings)) as other:

        def held(gateway):
            answer = post(gateway, "/v1/recommend", events=[], k=1, explain=True)
            return {rule["name"] for rule in answer["rules"]}

        assert held(other) == {"early"}
        put("late", {"ban": {"brand": "Birch"}}, always=True)
        wait_until(lambda: held(other) == {"early", "late"})
        assert other.delete("/v1/rules/early").status_code == 204
        wait_until(lambda: held(client) == {"late"})


def wait_until(is_true, seconds=10):
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_rule_may_hold_for_one_arm_of_an_experiment(client, put, shop):
    experiment = Experiment("no acme", {"old": 1, "new": 1})
    arm = {"experiment": experiment.name, "arms": experiment.arms, "is": "new"}
    rule = {"ban": {"brand": "Acme"}, "arm": arm}
    put("no-acme", rule, always=True)
    arms = {user: experiment.assign(user) for user in ("u1", "u2", "u3", "u4", "u5")}
    assert {*arms.values()} == {"old", "new"}
    for user_id, is_in in arms.items():
        answer = post(client, "/v1/recommend", user_id=user_id, k=6, explain=True)
        assert [kept["rule"] for kept in answer["rules"]] == ([rule] if is_in == "new" else [])
        assert is_in == "old" or "Acme" not in brands(shop, answer)
    nobody = post(client, "/v1/recommend", events=[], k=6, explain=True)
    assert nobody["rules"] == []
    many = shop.recommend([*arms], k=6, rules=[rule])
    alone = [
        item.item_id for user_id in arms for item in shop.recommend(user_id, k=6, rules=[rule])
    ]
    assert many["item_id"].tolist() == alone
    fault = put("wrong", {"seen": "any", "arm": {**arm, "is": "newer"}}, 422)["error"]
    assert "the arms are old, new" in fault["message"]
