"""What the gateway tells of what users made of its answers."""

import time

import pytest

from genrec.errors import EngineUnavailable
from genrec.serving.online import DAY_S, OnlineMetrics
from genrec.serving.settings import Settings
from genrec.serving.store import EventStore, ImpressionStore, connect
from tests.serving.routes.calls import item_ids, post


@pytest.fixture
def client(new_client, shop_run):
    """A gateway of its own, with nothing shown yet, that counts only when asked."""
    return new_client(run=shop_run, online_metrics_s=0)


def online(client, **parameters):
    answer = client.get("/v1/online-metrics", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def show(client, user_id, k=4):
    answer = post(client, "/v1/recommend", user_id=user_id, k=k)
    return answer["recommendation_id"], item_ids(answer)


def follow(client, user_id, item_id, page, **fields):
    event = {"user_id": user_id, "item_id": item_id, "recommendation_id": page, **fields}
    post(client, "/v1/events", events=[event])


def test_what_is_shown_and_done_is_measured(client):
    assert online(client)["last_24_hours"]["click_through"] is None
    page, shown = show(client, "u1")
    show(client, "u1")  # the same page: it counts once
    follow(client, "u1", shown[1], page, event_type="purchase")
    follow(client, "u1", shown[1], page, event_type="purchase")
    other, seen = show(client, "u2")
    follow(client, "u2", seen[0], other, event_type="view")
    follow(client, "u2", seen[3], other, event_type="not_interested")
    post(client, "/v1/recommend", user_id="u3", k=4, shown=False)

    told = online(client, days=3)
    now = told["last_24_hours"]
    assert (now["pages"], now["users"]) == (2, 2)
    assert [one["clicks"] for one in now["ranks"]] == [1, 1, 0, 0]
    assert [one["conversions"] for one in now["ranks"]] == [0, 1, 0, 0]
    assert (now["click_through"], now["conversion"]) == (2 / 8, 1 / 8)
    assert now["next_event_hit_rate"] == 1 and now["page_click_through"] == 1
    assert now["coverage"] == len({*shown, *seen}) / 18
    assert now["new_item_share"] is not None and now["model_age_s"] > 0
    assert len(told["days"]) == 3
    assert sum(day["pages"] for day in told["days"]) == 2
    assert [day["until"] - day["since"] for day in told["days"][:2]] == [DAY_S, DAY_S]

    lines = client.get("/metrics").text.splitlines()
    assert "genrec_online_click_through 0.25" in lines
    assert 'genrec_online_rank_conversion{rank="2"} 0.5' in lines


def test_a_forgotten_user_leaves_the_figures(client):
    page, shown = show(client, "u4")
    follow(client, "u4", shown[0], page)
    show(client, "u5")
    assert client.delete("/v1/users/u4").status_code in (200, 204)
    post(client, "/v1/events", events=[{"user_id": "u4", "item_id": shown[0]}])
    # Who names the page of before follows no page.
    follow(client, "u4", shown[0], page)
    now = online(client)["last_24_hours"]
    assert (now["pages"], now["click_through"]) == (1, 0)


def test_conversions_are_what_the_setting_says(new_client, shop_run):
    client = new_client(run=shop_run, conversion_events=("order", "view"))
    page, shown = show(client, "u1")
    follow(client, "u1", shown[0], page, event_type="view")
    follow(client, "u1", shown[1], page, event_type="purchase")
    ranks = online(client)["last_24_hours"]["ranks"]
    assert [one["conversions"] for one in ranks] == [1, 0, 0, 0]


@pytest.mark.parametrize("days", ["0", "91", "many"])
def test_days_that_cannot_be_counted(client, days):
    answer = client.get("/v1/online-metrics", params={"days": days})
    assert answer.status_code == 422 and "days" in answer.json()["error"]["message"]


@pytest.fixture
def counted(new_client, new_store, shop_run):
    """A gateway, and a function that counts its store by another clock."""
    url = new_store("sqlite")
    client = new_client(run=shop_run, online_metrics_s=0, url=url)
    engine = connect(url)
    stores = ImpressionStore(engine), EventStore(engine)
    service = client.app.state.service

    def count(clock, loaded=lambda: service.loaded):
        return OnlineMetrics(stores, loaded, lambda: None, Settings(), clock)

    yield client, count
    engine.dispose()


def test_a_clock_that_jumps_moves_the_window_and_loses_nothing(counted):
    client, at = counted
    show(client, "u6")
    now = time.time()
    jumps = iter([now + 400 * DAY_S, 0, now])
    metrics = at(lambda: next(jumps))
    assert [metrics.count().pages for _ in range(3)] == [0, 0, 1]


def test_a_day_that_is_over_is_counted_once(counted):
    client, at = counted
    page, shown = show(client, "u6")
    moments = iter([time.time(), time.time() + DAY_S, time.time() + 4 * DAY_S] * 2)
    metrics = at(lambda: next(moments))
    assert metrics.days(1)[-1].click_through == 0
    follow(client, "u6", shown[0], page)
    # Yesterday's page may still be followed.
    assert metrics.days(2)[0].click_through == 1 / 4
    assert metrics.days(5)[0].click_through == 1 / 4
    client.delete("/v1/users/u6")
    next(moments), next(moments)
    assert metrics.days(5)[0].pages == 1


def test_before_a_run_is_loaded_there_is_nothing_to_compare_with(counted):
    def away():
        raise EngineUnavailable("no answer yet")

    metrics = counted[1](time.time, away)
    with pytest.raises(EngineUnavailable):
        metrics.count()
    assert metrics.latest is None
