"""Caps on how often something is shown, from what the gateway kept of what it showed."""

import time
from collections import Counter

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from genrec.errors import DataError
from genrec.rules import NamedRule
from genrec.serving import exposures
from genrec.serving.http.app import create_app
from genrec.serving.store import Impression, ImpressionStore
from tests.serving.routes.calls import item_ids, post

DAY_S = 86_400


@pytest.fixture(scope="module")
def client(shop_settings):
    with TestClient(create_app(shop_settings)) as client:
        yield client


@pytest.fixture
def put(client):
    """Store rules for one test."""
    names = []

    def store(name, rule, status=200, **options):
        answer = client.put(f"/v1/rules/{name}", json={"rule": rule, **options})
        assert answer.status_code == status, answer.text
        names.extend([name] if status == 200 else [])
        return answer.json()

    yield store
    for name in names:
        client.delete(f"/v1/rules/{name}")


def shown(client, user_id, count, **fields):
    """Return what so many pages in a row show."""
    pages = [
        item_ids(post(client, "/v1/recommend", user_id=user_id, **fields)) for _ in range(count)
    ]
    assert all(len(page) == len(set(page)) == fields["k"] for page in pages)
    return pages


def test_an_item_is_shown_so_often_and_then_no_more(client, put):
    rule = {"shown_at_most": 2, "days": 1}
    put("twice", rule, always=True)
    pages = shown(client, "u1", 6, k=4)
    assert set(Counter(sum(pages, [])).values()) == {2}
    assert pages[0] == pages[1] != pages[2]
    fault = post(client, "/v1/recommend", 422, user_id="u1", k=4)["error"]
    assert (
        fault["code"] == "too_few_items" and "rules that forbid items: 'twice'" in fault["message"]
    )
    assert shown(client, "u2", 1, k=4) == shown(client, "u2", 1, k=4, shown=False)
    answer = post(client, "/v1/recommend", user_id="u2", k=4, explain=True)
    assert [(each["name"], each["rule"], each["version"]) for each in answer["rules"]] == [
        ("twice", rule, 1)
    ]


def test_a_brand_has_so_many_places_on_all_pages_together(client, shop):
    rules = [{"shown_at_most": 3, "days": 1, "per": "brand"}]
    pages = shown(client, "u3", 3, k=4, rules=rules)
    brands = Counter(shop.item(item_id).brand for page in pages for item_id in page)
    brands.pop(None, None)
    assert max(brands.values()) <= 3


def test_a_pinned_item_gives_way(client, put):
    put("once", {"shown_at_most": 1, "days": 1}, always=True)
    first, second = shown(client, "u4", 2, k=2, rules=[{"pin": ["i7"]}])
    assert first[0] == "i7" and "i7" not in second


def test_what_is_not_shown_does_not_count(client):
    rules = [{"shown_at_most": 1, "days": 1}]
    first, second = shown(client, "u5", 2, k=3, rules=rules, shown=False)
    assert first == second


def test_what_everybody_was_shown(shop_settings, new_store, monkeypatch):
    monkeypatch.setattr(exposures, "FRESH_S", 0)
    monkeypatch.setattr(exposures, "SHARE", float("inf"))
    nothing_shown = shop_settings.model_copy(update={"store": SecretStr(new_store("sqlite"))})
    with TestClient(create_app(nothing_shown)) as client:
        rule = {"shown_at_most": 1, "days": 0.5, "to": "all"}
        client.put("/v1/rules/seldom", json={"rule": rule, "always": True}).raise_for_status()
        pages = [shown(client, user_id, 1, k=3)[0] for user_id in ("u6", "u7", "u8")]
    assert len(set(sum(pages, []))) == 9


def test_only_the_time_of_the_rule_counts(engine):
    store, now = ImpressionStore(engine), int(time.time())
    for days, item_id in ((3, "i1"), (1, "i2")):
        items = ((item_id, 0.0), ("i3", -1.0))
        page = Impression("ü", now - days * DAY_S, items, "model", None)
        store.add([page, page, Impression("other", page.time, items, "model", None)])
    assert store.count_items(now - 2 * DAY_S, "ü") == {"i2": 2, "i3": 2}
    assert store.count_items(now - 4 * DAY_S, "ü") == {"i1": 2, "i2": 2, "i3": 4}
    assert store.count_items(now - 2 * DAY_S) == {"i2": 3, "i3": 3}


@pytest.mark.parametrize(
    ("rule", "code", "words"),
    [
        ({"shown_at_most": 1}, "wrong_type", "rules.0.days"),
        ({"shown_at_most": 1, "days": 0}, "data", "give days above 0"),
        ({"shown_at_most": 1, "days": 1, "to": "me"}, "data", "give user or all"),
        ({"shown_at_most": 1, "days": 1, "per": "colour"}, "data", "no item has an attribute"),
        ({"shown_at_most": 1, "days": 91}, "too_many_days", "kept for 90 days"),
        ({"shown_at_most": 1, "days": 1, "to": "all"}, "not_stored", "PUT /v1/rules/NAME"),
    ],
)
def test_what_cannot_be_counted_is_told(client, rule, code, words):
    fault = post(client, "/v1/recommend", 422, user_id="u1", k=2, rules=[rule])["error"]
    assert fault["code"] == code and words in fault["message"]


def test_only_a_gateway_can_count(shop):
    with pytest.raises(DataError, match="only a gateway keeps what it showed"):
        shop.plan([NamedRule.read("twice", {"shown_at_most": 2, "days": 1})])
