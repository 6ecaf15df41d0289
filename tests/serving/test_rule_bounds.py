"""Numbers of rules that are beyond all use, new and as an earlier release stored them."""

import json
import time

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from typer.testing import CliRunner

from genrec.cli import app
from genrec.experiments import Experiment
from genrec.serving.http.app import create_app
from genrec.serving.store import ImpressionStore, RuleStore, connect
from tests.serving.routes.calls import item_ids, post, wait_until

HUGE = 10**400
USERS = [f"u{n}" for n in range(12)]
BOTH = {"old": 1, "new": 1}


def arm(arms, which="new", experiment="trial"):
    return {"experiment": experiment, "arms": arms, "is": which}


@pytest.fixture
def settings(shop_settings, new_store):
    return shop_settings.model_copy(update={"store": SecretStr(new_store("sqlite"))})


@pytest.fixture
def client(settings):
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def engine(settings):
    engine = connect(settings.store.get_secret_value())
    yield engine
    engine.dispose()


def store_as_before(engine, name, rule):
    """Store a rule past the checks of today."""
    rules = RuleStore(engine)
    assert rules.put(name, rule, True, rules.read(0)[1]) is not None


@pytest.mark.parametrize(
    "rule",
    [
        {"diversity": HUGE},
        {"boost": {"brand": "Acme"}, "by": HUGE},
        {"calibrate": "brand", "by": -HUGE},
        {"explore": HUGE},
        {"explore": 0.1, "among": HUGE},
        {"shown_at_most": 1, "days": HUGE},
        {"shown_at_most": HUGE, "days": 1},
        {"at_most": 1 << 64, "per": "brand"},
        {"at_most": 1, "per": "categories", "level": -HUGE},
        {"at_least": HUGE, "of": {"brand": "Acme"}},
        {"pin": ["i1"], "at": HUGE},
        {"answer_with": {"sasrec_weight": HUGE}},
        {"answer_with": {"num_beams": HUGE}},
        {"diversity": 1, "arm": arm({"old": HUGE, "new": 1})},
        {"diversity": 1, "arm": arm({"old": 1e308, "new": 1e308})},
    ],
)
def test_a_number_beyond_all_use_is_refused_in_one_line(client, rule):
    stored = client.put("/v1/rules/odd", json={"rule": rule, "always": True})
    asked = client.post("/v1/recommend", json={"events": [], "rules": [rule]})
    for answer in (stored, asked):
        assert answer.status_code == 422, answer.text
        fault = answer.json()["error"]["message"]
        assert "give " in fault and len(fault) < 200
    assert client.get("/v1/rules").json() == {"rules": []}


def test_a_preference_beyond_all_use_is_refused(client):
    wish = {"more": {"brand": "Acme"}, "by": HUGE}
    fault = post(client, "/v1/recommend", 422, events=[], preferences=[wish])["error"]
    assert "nats above 0" in fault["message"]


def test_a_count_that_was_stored_before_there_were_bounds_breaks_no_answer(client, engine):
    before = item_ids(post(client, "/v1/recommend", events=[], k=5))
    for name, rule in (
        ("brands", {"at_most": 1 << 64, "per": "brand"}),
        ("shown", {"shown_at_most": HUGE, "days": 7}),
        ("place", {"pin": ["i1"], "at": HUGE}),
    ):
        store_as_before(engine, name, rule)
    wait_until(lambda: len(client.get("/v1/rules").json()["rules"]) == 3)
    assert item_ids(post(client, "/v1/recommend", events=[], k=5)) == before
    assert item_ids(post(client, "/v1/recommend", user_id="u1", k=5))
    store_as_before(engine, "quota", {"at_least": 1 << 64, "of": {"brand": "Acme"}})
    wait_until(lambda: len(client.get("/v1/rules").json()["rules"]) == 4)
    fault = post(client, "/v1/recommend", 422, events=[], k=5)["error"]
    assert fault["code"] == "too_few_items" and "'quota'" in fault["message"]


def test_weights_that_were_stored_before_there_were_bounds_take_no_experiment_away(
    settings, client, engine
):
    huge = arm({"old": 1e308, "new": 1e308}, experiment="huge")
    store_as_before(engine, "huge", {"diversity": 1, "arm": huge})
    wait_until(lambda: client.get("/v1/rules").json()["rules"])
    assert client.delete("/v1/rules/huge").status_code == 204
    # What no release could read, such as what one to come has stored.
    store_as_before(engine, "odd", {"diversity": 1, "arm": {"experiment": "odd"}})
    store_as_before(engine, "odd", None)
    rule = {"rule": {"diversity": 1, "arm": arm(BOTH)}, "always": True}
    assert client.put("/v1/rules/fine", json=rule).status_code == 200
    told = client.get("/v1/experiments").json()["experiments"]
    assert [one["name"] for one in told] == ["trial", "huge"]
    assert [one["share"] for one in told[1]["arms"]] == [0.5, 0.5]
    asked = ["experiment", "--store", settings.store.get_secret_value(), "--json"]
    assert {*json.loads(CliRunner().invoke(app, asked).output)} == {"trial", "huge"}


def test_an_experiment_that_cannot_be_reckoned_with_takes_no_other_away(client, monkeypatch):
    for name in ("one", "two"):
        rule = {"diversity": 1, "arm": arm(BOTH, experiment=name)}
        assert client.put(f"/v1/rules/{name}", json={"rule": rule}).status_code == 200
    judge = type(client.app.state.service.experiments).judge

    def judge_one(self, experiment, *args, **options):
        if experiment.name == "two":
            raise OverflowError("too large")
        return judge(self, experiment, *args, **options)

    monkeypatch.setattr(type(client.app.state.service.experiments), "judge", judge_one)
    told = {one["name"]: one for one in client.get("/v1/experiments").json()["experiments"]}
    assert "no page was shown" in told["one"]["fault"]
    assert "cannot be reckoned with: too large" in told["two"]["fault"]


def test_the_weights_of_the_newest_rule_hold_for_all_rules_of_an_experiment(client, engine):
    """Else users are counted in an arm by whose rules they were not answered."""

    def put(name, which, arms):
        rule = {"ban": {"brand": "Acme" if which == "new" else "Birch"}, "arm": arm(arms, which)}
        body = {"rule": rule, "always": True}
        assert client.put(f"/v1/rules/{name}", json=body).status_code == 200

    def check(arms):
        assign = Experiment("trial", arms).assign
        for user in USERS:
            asked = {"user_id": user, "k": 3, "explain": True}
            page = post(client, "/v1/recommend", **asked)
            kept = ImpressionStore(engine).read(page["recommendation_id"])
            assert kept.arms == (("trial", assign(user)),)
            assert [one["rule"]["arm"]["is"] for one in page["rules"]] == [assign(user)]
        (told,) = client.get("/v1/experiments").json()["experiments"]
        shares = {one["arm"]: one["share"] for one in told["arms"] if one["share"]}
        assert shares == pytest.approx(Experiment("trial", arms).shares)

    put("z-new", "new", BOTH)
    put("a-old", "old", BOTH)
    check(BOTH)
    # The newest is the one that was stored last, also where both are of one second.
    uneven = {"old": 9, "new": 1}
    put("a-old", "old", uneven)
    check(uneven)
    put("z-new", "new", {"old": 1, "new": 9})
    check({"old": 1, "new": 9})
    put("a-old", "old", {**uneven, "dropped": 0})
    check(uneven)
    # Also after the moment has passed, and for a gateway that starts now.
    time.sleep(1.1)
    put("z-new", "new", BOTH)
    check(BOTH)
