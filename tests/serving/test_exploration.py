"""The exploration quota on a gateway: what it shows, what is kept of it, and what follows."""

import time

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from genrec.errors import DataError
from genrec.experiments import evaluate_policy, propensities
from genrec.serving.histories import Histories, PreparedUsers
from genrec.serving.http.app import create_app
from genrec.serving.logged import judged_log, logged_pages
from genrec.serving.store import EventStore, ImpressionStore, connect
from tests.serving.routes.calls import post

NOW = 1_700_000_000
K, AMONG, RATE = 4, 8, 0.5
QUOTA = {"explore": RATE, "among": AMONG}


@pytest.fixture(scope="module")
def client(shop_settings):
    # The log is judged by the run as it was trained, so live events must not change the gateway's.
    settings = shop_settings.model_copy(update={"live_counts_s": 0})
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def impressions(shop_settings):
    return ImpressionStore(connect(shop_settings.store.get_secret_value()))


def ask(client, **more):
    return post(client, "/v1/recommend", **{"user_id": "u1", "k": K, "provenance": True, **more})


def test_an_answer_says_what_brought_each_item_and_so_does_its_impression(client, impressions):
    answer = ask(client, arm="fusion:new", rules=[{"pin": ["i9"], "at": 2}], filter_seen=False)
    said = [item["provenance"] for item in answer["items"]]
    assert [each["brought_by"] for each in said] == [
        "language model",
        "rule",
        *2 * ["language model"],
    ]
    assert all(each["propensity"] is None for each in said)
    kept = impressions.read(answer["recommendation_id"])
    assert (kept.arm, kept.rules, kept.draws) == ("fusion:new", (("rules.0", None),), ())
    for each, item in zip(kept.provenance, said, strict=True):
        assert each.brought_by == item["brought_by"]
        assert each.parts == pytest.approx(item["parts"], abs=1e-3)
    plain = post(client, "/v1/recommend", user_id="u1", k=K)
    assert all(item["provenance"] is None for item in plain["items"])


def test_a_quota_that_always_holds_is_explored_and_logged(client, impressions):
    best = [item["item_id"] for item in ask(client, k=AMONG)["items"]]
    put = client.put("/v1/rules/exploration", json={"rule": QUOTA, "always": True})
    assert put.status_code == 200, put.text
    answers = [ask(client) for _ in range(12)]
    lists = [[item["item_id"] for item in answer["items"]] for answer in answers]
    assert len({tuple(shown) for shown in lists}) > 1 and {*sum(lists, [])} <= {*best}
    for answer, shown in zip(answers, lists, strict=True):
        chances = propensities(shown, best, RATE)
        assert [item["provenance"]["propensity"] for item in answer["items"]] == list(chances)
        kept = impressions.read(answer["recommendation_id"])
        assert kept.rules == (("exploration", 1),)
        assert [draw.propensity for draw in kept.draws] == list(chances)
        assert [draw.place for draw in kept.draws] == [best.index(item) + 1 for item in shown]
        assert {(draw.rate, draw.candidates) for draw in kept.draws} == {(RATE, AMONG)}
    explored = [
        item["provenance"]["brought_by"] == "exploration" for a in answers for item in a["items"]
    ]
    assert any(explored) and not all(explored)
    assert client.delete("/v1/rules/exploration").is_success


def test_the_log_judges_the_model_that_made_it_as_what_it_earned(client, shop, shop_settings):
    """Its own quota is the target too: weights are 1, and clicks count as they are."""
    engine, began = connect(shop_settings.store.get_secret_value()), int(time.time())
    put = client.put("/v1/rules/exploration", json={"rule": QUOTA, "always": True})
    assert put.status_code == 200, put.text
    clicks = 0
    for number in range(12):
        user = f"u{number}"
        answer = ask(client, user_id=user, arm="quota")
        if number % 3 == 0:
            clicks += 1
            item = answer["items"][number % K]["item_id"]
            event = {"user_id": user, "item_id": item}
            event["recommendation_id"] = answer["recommendation_id"]
            post(client, "/v1/events", events=[event])
    assert client.delete("/v1/rules/exploration").is_success
    now = int(time.time()) + 1
    pages = logged_pages(ImpressionStore(engine), began, now)
    pages = {name: page for name, page in pages.items() if page[0].arm == "quota"}
    events = EventStore(engine)
    histories = Histories(PreparedUsers(shop.data), events, 1000)
    log = judged_log(pages, events, shop, histories, 3600).to_pylist()
    assert len(log) == K * len(pages) and sum(row["reward"] for row in log) == clicks
    # Batches round differently, so that items with as good as equal scores may change places.
    equal = [row["target_propensity"] == pytest.approx(row["propensity"]) for row in log]
    assert sum(equal) > 0.9 * len(log)
    report = evaluate_policy(pa.Table.from_pylist(log))
    assert report.logged.value == pytest.approx(clicks / len(pages))
    with pytest.raises(DataError, match="exploration quota"):
        logged_pages(ImpressionStore(engine), 0, 1)


def test_rules_of_lists_are_kept_while_their_order_is_explored(client):
    rules = [{"pin": ["i9"], "at": 1}, {"at_most": 1, "per": "brand"}]
    asked = {"filter_seen": False, "k": 3}
    listed = ask(client, rules=rules, **asked)
    shown = {item["item_id"] for item in listed["items"]}
    for _ in range(6):
        explored = ask(client, rules=[*rules, {"explore": 1.0}], **asked)
        assert {item["item_id"] for item in explored["items"]} == shown
        assert explored["items"][0]["item_id"] == "i9"


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"explore": 0}, "above 0, at most 1"),
        ({"explore": 1.5}, "above 0, at most 1"),
        ({"explore": True}, "share of ranks"),
        ({"explore": 0.1, "among": 0}, "at least 1"),
        ({"explore": 0.1, "among": 501}, "at most 500"),
        ({"explore": 0.1, "of": {}}, "takes among"),
    ],
)
def test_a_quota_that_cannot_be_is_refused(client, rule, fault):
    answer = client.put("/v1/rules/exploration", json={"rule": rule})
    assert answer.status_code == 422 and fault in answer.text


def test_two_quotas_contradict_each_other(client):
    answer = client.post(
        "/v1/recommend", json={"user_id": "u1", "rules": [{"explore": 0.1}, {"explore": 0.2}]}
    )
    assert answer.status_code in (400, 422) and "contradict" in answer.text
