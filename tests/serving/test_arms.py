"""Arms that are adapters or settings: who is answered by what, also where it is gone."""

import json
import shutil

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.artifacts import read_manifest
from genrec.experiments import Experiment
from genrec.serving.http.app import create_app
from genrec.serving.store import ImpressionStore, connect
from tests.little_gateway import write_contrary_update
from tests.serving.routes.calls import item_ids, post, wait_until

USERS = [f"u{n}" for n in range(12)]
ARMS = {"old": 1, "new": 1}
ASSIGNED = {user: Experiment("trial", ARMS).assign(user) for user in USERS}


def arm(which, arms=ARMS):
    return {"experiment": "trial", "arms": arms, "is": which}


@pytest.fixture(scope="module")
def update(shop_run):
    return write_contrary_update(shop_run, "arms/other")


@pytest.fixture
def settings(shop_settings, new_store):
    return shop_settings.model_copy(update={"store": SecretStr(new_store("sqlite"))})


def put(client, says, status=200, name="trial", **fields):
    rule = {"rule": {"answer_with": says, **fields}, "always": True}
    answer = client.put(f"/v1/rules/{name}", json=rule)
    assert answer.status_code == status, answer.text
    return answer.json()


def pages(client):
    return {user: post(client, "/v1/recommend", user_id=user, k=3) for user in USERS}


def kept(settings, page):
    store = ImpressionStore(connect(settings.store.get_secret_value()))
    return store.read(page["recommendation_id"])


def test_users_of_an_arm_are_answered_by_its_adapter(settings, update, shop_run):
    with TestClient(create_app(settings)) as client, TestClient(create_app(settings)) as other:
        before = pages(client)
        put(client, {"adapter": update}, arm=arm("new"))
        name = f"ruled-{read_manifest(shop_run.parent / update).content_hash}"
        after = pages(client)
        for user in USERS:
            is_new = ASSIGNED[user] == "new"
            assert after[user]["adapter"] == (name if is_new else None)
            assert (item_ids(after[user]) != item_ids(before[user])) == is_new
            stored = kept(settings, after[user])
            assert stored.arms == (("trial", ASSIGNED[user]),)
            assert stored.adapter == after[user]["adapter"]
        assert client.get("/v1/adapters").json() == {"adapters": [name], "adapter": None}
        refused = client.delete(f"/v1/adapters/{name}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "adapter_in_use")
        # Every gateway on the store follows, and a promotion leaves it where it is.
        wait_until(lambda: name in other.get("/v1/adapters").json()["adapters"])
        assert [item_ids(one) for one in pages(other).values()] == [
            item_ids(one) for one in after.values()
        ]
        promoted = client.post("/v1/promotions", json={"path": update}).json()
        assert post(client, "/v1/promotions/rollback")["decision"] == "rolled back"
        assert promoted["content_hash"] in name and pages(client)[USERS[0]]["items"]
        # With its last rule it goes.
        assert client.delete("/v1/rules/trial").status_code == 204
        assert client.get("/v1/adapters").json()["adapters"] == []
        wait_until(lambda: other.get("/v1/adapters").json()["adapters"] == [])


def test_an_arm_that_was_dropped_has_nobody_and_needs_no_adapter(settings, update):
    with TestClient(create_app(settings)) as client:
        three = {**ARMS, "newest": 1}
        put(client, {"adapter": update}, arm=arm("newest", three))
        assert len(client.get("/v1/adapters").json()["adapters"]) == 1
        put(client, {"adapter": update}, arm=arm("newest", {**three, "newest": 0}))
        assert client.get("/v1/adapters").json()["adapters"] == []
        answered = pages(client)
        assert {page["adapter"] for page in answered.values()} == {None}
        for user, page in answered.items():
            assert kept(settings, page).arms == (("trial", ASSIGNED[user]),)


def test_where_the_adapter_has_gone_users_get_a_list_and_leave_the_experiment(
    settings, update, shop_run
):
    gone = shop_run.parent / "arms" / "gone"
    shutil.copytree(shop_run.parent / update, gone)
    with TestClient(create_app(settings)) as client:
        put(client, {"adapter": "arms/gone"}, arm=arm("new"))
        shutil.rmtree(gone)
        # What is loaded serves on.
        new = next(user for user in USERS if ASSIGNED[user] == "new")
        assert post(client, "/v1/recommend", user_id=new, k=3)["adapter"].startswith("ruled-")
    with TestClient(create_app(settings)) as late:
        answered = pages(late)
        assert {page["adapter"] for page in answered.values()} == {None}
        for user, page in answered.items():
            is_old = ASSIGNED[user] == "old"
            assert kept(settings, page).arms == ((("trial", "old"),) if is_old else ())
        fault = late.get("/v1/rules/trial").json()["fault"]
        (told,) = late.get("/v1/experiments").json()["experiments"]
        assert "does not exist" in fault and told["faults"] == [f"rule 'trial': {fault}"]
        # It came back.
        shutil.copytree(shop_run.parent / update, gone)
        wait_until(lambda: late.get("/v1/rules/trial").json()["fault"] is None)
        assert kept(settings, pages(late)[new]).arms == (("trial", "new"),)
        shutil.rmtree(gone)


def test_settings_are_arms_too(settings, shop_run):
    with TestClient(create_app(settings)) as client:
        before = pages(client)
        put(client, {"num_beams": 1}, arm=arm("new"))
        after = pages(client)
        for user in USERS:
            same = item_ids(after[user]) == item_ids(before[user])
            assert same or ASSIGNED[user] == "new"
        assert post(client, "/v1/recommend", user_id=USERS[0], k=18, filter_seen=False)["items"]


def test_what_cannot_be_answered_with_is_told_to_who_writes_the_rule(settings, update, shop_run):
    other_base = shop_run.parent / "arms" / "other-base"
    shutil.copytree(shop_run.parent / update, other_base)
    manifest = json.loads((other_base / "manifest.json").read_text())
    manifest["parents"]["base"]["content_hash"] = "0" * 16
    (other_base / "manifest.json").write_text(json.dumps(manifest))
    with TestClient(create_app(settings)) as client:
        for says, words in (
            ({"adapter": "arms/other-base"}, "0000000000000000"),
            ({"adapter": "arms/none"}, "does not exist"),
            ({"adapter": "../../etc"}, "not below the folder"),
            ({"adapter": 7}, "adapter"),
            ({"adapter": ""}, "empty"),
            ({"num_beams": 0}, "num_beams"),
            ({"num_beams": 10**6}, "at most 10000"),
            ({"sasrec_weight": 2}, "from 0 to 1"),
            ({"sasrec_weight": 0.5}, "no SASRec head"),
            ({"temperature": 1}, "one or more of adapter"),
            ({}, "one or more of adapter"),
        ):
            assert words in put(client, says, 422)["error"]["message"]
        assert client.get("/v1/rules").json()["rules"] == []
        assert client.get("/v1/adapters").json()["adapters"] == []
        # A request may ask for what is loaded, and loads nothing.
        asked = {"user_id": "u1", "rules": [{"answer_with": {"adapter": update}}]}
        assert "no adapter" in post(client, "/v1/recommend", 422, **asked)["error"]["message"]
        # Arms may differ, what holds for everybody may not contradict them.
        put(client, {"num_beams": 3}, arm=arm("new"))
        put(client, {"num_beams": 4}, name="control", arm=arm("old"))
        refused = put(client, {"num_beams": 5}, 422, name="all")
        assert "contradict" in refused["error"]["message"]
    shutil.rmtree(other_base)
