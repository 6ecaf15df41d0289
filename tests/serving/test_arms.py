"""Arms that are adapters or settings, and mixed lists: who is answered by what, who gets credit."""

import json
import shutil
import time

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from typer.testing import CliRunner

from genrec.artifacts import read_manifest
from genrec.cli import app
from genrec.experiments import Experiment
from genrec.schema import Event
from genrec.serving.http.app import create_app
from genrec.serving.store import (
    Draft,
    EventStore,
    Impression,
    ImpressionStore,
    StoredEvent,
    connect,
)
from tests.little_gateway import write_contrary_update
from tests.serving.routes.calls import item_ids, post, wait_until

USERS = [f"u{n}" for n in range(12)]
ARMS = {"old": 1, "new": 1}
ASSIGNED = {user: Experiment("trial", ARMS).assign(user) for user in USERS}


def arm(which, arms=ARMS, **how):
    return {"experiment": "trial", "arms": arms, "is": which, **how}


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


def test_an_interleaved_experiment_mixes_the_lists_of_both_arms(settings, update, shop_run):
    with TestClient(create_app(settings)) as client:
        before = pages(client)
        mixed = arm("new", interleaved=True)
        put(client, {"adapter": update}, arm=mixed)
        name = f"ruled-{read_manifest(shop_run.parent / update).content_hash}"
        asked = {"rules": [{"answer_with": {"adapter": name}}], "shown": False, "k": 3}
        for user in USERS:
            page = post(client, "/v1/recommend", user_id=user, k=3)
            lists = {
                "old": item_ids(before[user]),
                "new": item_ids(post(client, "/v1/recommend", user_id=user, **asked)),
            }
            stored, shown = kept(settings, page), item_ids(page)
            draft = stored.draft
            assert stored.arms == () and draft.adapters == {"old": None, "new": name}
            # Each arm put its best item that was not there yet, two turns each round.
            assert {*draft.arms[:2]} == {"old", "new"}
            for place, (item_id, team) in enumerate(zip(shown, draft.arms, strict=True)):
                left = [one for one in lists[team] if one not in shown[:place]]
                assert item_id == left[0]
            assert [item["rank"] for item in page["items"]] == [1, 2, 3]
            # Whoever looks again sees the same.
            again = post(client, "/v1/recommend", user_id=user, k=3)
            assert again["recommendation_id"] == page["recommendation_id"]
        # A new face is shown the control's list, and so is who asks under rules of whole lists.
        newcomer = post(client, "/v1/recommend", events=[{"item_id": "i3"}], k=3)
        assert kept(settings, newcomer).draft is None
        bound = {"rules": [{"at_most": 1, "per": "brand"}], "k": 3}
        assert kept(settings, post(client, "/v1/recommend", user_id="u1", **bound)).draft is None
        two = {"answer_with": {"num_beams": 3}, "arm": arm("old")}
        refused = client.put("/v1/rules/two", json={"rule": two})
        assert "say the same in all" in refused.json()["error"]["message"]
        second = {**mixed, "experiment": "second"}
        assert (
            "one at a time"
            in put(client, {"num_beams": 3}, 422, "second", arm=second)["error"]["message"]
        )
        unequal = arm("new", {"old": 2, "new": 1}, interleaved=True)
        assert "equal weight" in put(client, {"num_beams": 3}, 422, arm=unequal)["error"]["message"]


def test_clicks_on_mixed_lists_say_which_arm_is_preferred(settings):
    """Four in five of those who click take what the new arm put there, others what the old did."""
    engine = connect(settings.store.get_secret_value())
    with TestClient(create_app(settings)) as client:
        put(client, {"num_beams": 3}, arm=arm("new", interleaved=True))
        (told,) = client.get("/v1/experiments").json()["experiments"]
        assert told["interleaved"] and "no list was mixed" in told["fault"]
        users, now = [f"visitor-{n}" for n in range(400)], int(time.time())
        items = tuple((f"i{n}", -1.0) for n in range(4))
        draft = Draft("trial", {"old": None, "new": None}, ("new", "old", "old", "new"))
        names = ImpressionStore(engine).add(
            [Impression(user, now, items, "shop", None, draft=draft) for user in users]
        )
        clicked = [("i0", "i3") if n % 5 else ("i1", "elsewhere") for n in range(len(users))]
        EventStore(engine).add(
            [
                StoredEvent(Event(user, item_id, now, "view"), None, name)
                for user, name, some in zip(users, names, clicked, strict=True)
                for item_id in some
            ]
        )
        (told,) = client.get("/v1/experiments").json()["experiments"]
    preference = told["preference"]
    assert told["result"] is None and told["fault"] is None
    assert preference["winner"] == "new" and preference["value"] == pytest.approx(0.6)
    assert 0.3 < preference["low"] < 0.6 < preference["high"] < 0.9
    assert {one["arm"]: (one["shown"], one["clicks"]) for one in told["arms"]} == {
        "old": (800, 80),
        "new": (800, 640),
    }
    url = settings.store.get_secret_value()
    said = CliRunner().invoke(app, ["experiment", "--store", url], env={"COLUMNS": "200"}).output
    assert said.startswith("trial: users prefer new: credit of new +0.600")
    in_json = json.loads(CliRunner().invoke(app, ["experiment", "--store", url, "--json"]).output)
    assert in_json["trial"]["winner"] == "new"
    engine.dispose()
