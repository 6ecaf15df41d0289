"""What a run serves: the journal, gateways that follow it, and the way back."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.artifacts import read_manifest
from genrec.serving.errors import Conflict
from genrec.serving.http.app import create_app
from genrec.serving.store import Entry, Journal
from tests.little_gateway import write_contrary_update
from tests.serving.routes.calls import asking, item_ids, post, wait_until

ASK = {"events": [{"item_id": "i3"}], "k": 3}


def wanted(run="r", path="updates/a", **fields):
    return Entry(run, "me", "promoted", "better", path, "hash-" + path[-1], {"n": 1}, **fields)


@pytest.fixture
def journal(engine):
    return Journal(engine)


def test_the_way_back_leads_through_what_was_served(journal):
    assert journal.in_force("r") is None and journal.entries("r") == []
    with pytest.raises(Conflict, match="serves as trained"):
        journal.roll_back("r", "me")
    for path in ("updates/a", "updates/b"):
        journal.promote(wanted(path=path))
    journal.note(Entry("r", "you", "kept", "worse"))
    journal.promote(wanted("other", "updates/z"))
    assert journal.in_force("r").path == "updates/b"
    assert journal.in_force("r").figures == {"n": 1}
    first = journal.roll_back("r", "you")
    assert (first.path, first.content_hash, first.who) == ("updates/a", "hash-a", "you")
    journal.promote(wanted(path="updates/c"))
    served = [journal.roll_back("r", "you").path for _ in range(2)]
    assert served == ["updates/a", None] and journal.in_force("r").path is None
    with pytest.raises(Conflict):
        journal.roll_back("r", "me")
    assert [entry.decision for entry in journal.entries("r", 4)] == [
        *("rolled back", "rolled back", "promoted", "rolled back"),
    ]
    assert journal.in_force("other").path == "updates/z"


@pytest.fixture(scope="module")
def update(shop_run):
    return write_contrary_update(shop_run, "updates/other")


@pytest.fixture(scope="module")
def client(shop_settings):
    with TestClient(create_app(shop_settings)) as client:
        yield client


def adapter(client):
    return client.get("/v1/adapters").json()["adapter"]


def promote(client, path):
    answer = client.post("/v1/promotions", json={"path": path, "reason": "by hand"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def statuses(client):
    """What a client is answered who asks all the time."""
    with asking(client, ASK) as found:
        yield found


def test_every_gateway_serves_what_was_promoted_and_goes_back(
    client, shop_settings, update, shop_run, statuses
):
    before = post(client, "/v1/recommend", **ASK)
    with TestClient(create_app(shop_settings)) as other:
        done = promote(other, update)
        content_hash = read_manifest(shop_run.parent / update).content_hash
        assert (done["decision"], done["path"], done["content_hash"]) == (
            *("promoted", update, content_hash),
        )
        name = f"promoted-{content_hash}"
        assert adapter(other) == name
        wait_until(lambda: adapter(client) == name)
        after = post(client, "/v1/recommend", **ASK)
        assert after["adapter"] == name and item_ids(after) != item_ids(before)
        assert item_ids(after) == item_ids(post(other, "/v1/recommend", **ASK))
    # A gateway that starts later begins with it.
    with TestClient(create_app(shop_settings)) as late:
        assert adapter(late) == name
        assert item_ids(post(late, "/v1/recommend", **ASK)) == item_ids(after)
        listed = late.get("/v1/promotions").json()
        assert listed["serving"] == done == listed["decisions"][0] and listed["fault"] is None
    back = post(client, "/v1/promotions/rollback")
    assert (back["decision"], back["path"]) == ("rolled back", None)
    assert item_ids(post(client, "/v1/recommend", **ASK)) == item_ids(before)
    assert client.get("/v1/adapters").json() == {"adapters": [], "adapter": None}
    assert post(client, "/v1/promotions/rollback", 409)["error"]["code"] == "nothing_to_roll_back"
    assert statuses and set(statuses) == {200}


@pytest.mark.services
def test_gateways_on_one_postgresql_swap_under_clients_without_a_failed_request(
    shop_settings, update, new_store
):
    settings = shop_settings.model_copy(update={"store": SecretStr(new_store("postgres"))})
    stop, found = threading.Event(), []

    def keep_asking(gateway):
        while not stop.is_set():
            answer = gateway.post("/v1/recommend", json=ASK)
            found.append((answer.status_code, answer.json().get("adapter")))

    with TestClient(create_app(settings)) as one, TestClient(create_app(settings)) as other:
        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(keep_asking, gateway) for gateway in (one, other) * 4]
            try:
                for _ in range(2):
                    promoted = f"promoted-{promote(one, update)['content_hash']}"
                    assert adapter(one) == promoted
                    wait_until(lambda: adapter(other) == promoted)  # noqa: B023
                    assert post(other, "/v1/promotions/rollback")["decision"] == "rolled back"
                    assert adapter(other) is None
                    wait_until(lambda: adapter(one) is None)
            finally:
                stop.set()
            for each in asking:
                each.result()
        listed = [gateway.get("/v1/promotions").json() for gateway in (one, other)]
    assert {status for status, _ in found} == {200}
    assert {None, promoted} == {name for _, name in found}
    assert listed[0] == listed[1]
    decisions = [each["decision"] for each in listed[0]["decisions"]]
    assert decisions == 2 * ["rolled back", "promoted"]


def test_an_adapter_that_vanishes_leaves_what_is_served(client, shop_settings, update, shop_run):
    promote(client, update)
    served = item_ids(post(client, "/v1/recommend", **ASK))
    folder = shop_run.parent / update
    aside = folder.rename(folder.with_name("aside"))
    # Who has loaded it goes on; who starts now serves the run as trained, and says why.
    assert item_ids(post(client, "/v1/recommend", **ASK)) == served
    with TestClient(create_app(shop_settings)) as late:
        listed = late.get("/v1/promotions").json()
        assert listed["serving"]["path"] == update and "does not exist" in listed["fault"]
        assert adapter(late) is None
        assert post(late, "/v1/recommend", **ASK)["adapter"] is None
        aside.rename(folder)
        wait_until(lambda: late.get("/v1/promotions").json()["fault"] is None)
        assert item_ids(post(late, "/v1/recommend", **ASK)) == served
    post(client, "/v1/promotions/rollback")


def test_what_cannot_be_served_is_not_promoted(client, update, shop_run):
    faults = {
        "../../etc": "path_not_allowed",
        "updates/none": "artifact",
        "data": "artifact",
        "updates/\u0000": "invalid_request",
    }
    number = len(client.get("/v1/promotions").json()["decisions"])
    for path, code in faults.items():
        status = 400 if code == "path_not_allowed" else 422
        answer = client.post("/v1/promotions", json={"path": path})
        assert answer.status_code in (status, 400, 422), answer.text
    assert len(client.get("/v1/promotions").json()["decisions"]) == number
    assert client.get("/v1/promotions", params={"limit": 0}).status_code == 422
