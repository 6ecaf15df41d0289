"""Transition counts of gateways that follow what comes to the store, with no training."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi.testclient import TestClient

from genrec.engines.base import Counted
from genrec.model.item_features import ItemFeatures
from genrec.model.recent_popularity import DAY_S
from genrec.model.sasrec_head import Terms
from genrec.model.sasrec_training import count_into
from genrec.model.transition_counts import count_transitions
from genrec.schema import Event
from genrec.serving.histories import Histories, PreparedUsers
from genrec.serving.http.app import create_app
from genrec.serving.live_counts import LiveCounting
from genrec.serving.store import EventStore, StoredEvent
from genrec.training.continual import Start, write_update
from tests.little_gateway import gateway_settings
from tests.little_shop import run_with_a_say
from tests.serving.routes.calls import post

NOW = 1_700_000_000


class AtOnce:
    """Lets work be done by whoever asks."""

    async def exclusive(self, work):
        return work()


class Gateway:
    """The store's events as one gateway counts them."""

    def __init__(self, engine, shop, until=0):
        self.events, self.used = EventStore(engine), []
        rows = self.rows = {item_id: row for row, item_id in enumerate(shop.table.item_ids)}
        self.known = {
            h.user_id: [rows[e.item_id] for e in h.events] for h in shop.data.histories("test")
        }
        votes = count_transitions(list(self.known.values()), len(rows))
        counted = Counted(votes, shop.table, until, self.used.append)
        histories = Histories(PreparedUsers(shop.data), self.events, 1000)
        loaded = SimpleNamespace(
            recommender=SimpleNamespace(counted=[counted], popularity=None), histories=histories
        )
        self.live = LiveCounting(self.events, lambda: loaded, AtOnce())

    def post(self, user_id, *items, time=NOW, **fields):
        self.events.add(
            [StoredEvent(Event(user_id, item, time + n, **fields)) for n, item in enumerate(items)]
        )

    def check(self, **now):
        """Catch up, and compare with counting these histories anew in place of the prepared."""
        asyncio.run(self.live.catch_up())
        rows = [[self.rows[item] for item in items] for items in now.values()]
        known = [history for user, history in self.known.items() if user not in now]
        anew = count_transitions(known + rows, len(self.rows))
        np.testing.assert_allclose(self.used[-1].toarray(), anew.toarray(), atol=1e-6)


def test_each_gateway_counts_what_came_and_forgets_with_the_store(engine, shop):
    one, other = Gateway(engine, shop), Gateway(engine, shop)
    u0 = [shop.table.item_ids[row] for row in one.known["u0"]]
    one.post("new", "i1", "i2", "i3")
    one.post("u0", "i4", "i5")
    one.post("u1", "i9", event_type="not_interested")
    now = {"new": ["i1", "i2", "i3"], "u0": [*u0, "i4", "i5"]}
    for gateway in (one, other):
        gateway.check(**now)
    # An event that comes late takes its place in time, and what is refused is not counted.
    one.post("new", "i7", time=NOW - 60)
    now["new"].insert(0, "i7")
    for gateway in (one, other):
        gateway.check(**now)
    for user_id in ("new", "u0"):
        one.events.forget(user_id)
    for gateway in (one, other):
        gateway.check()
    # Who comes back after that begins with nothing.
    other.post("new", "i1", "i6")
    for gateway in (one, other):
        gateway.check(new=["i1", "i6"])
    used = len(one.used)
    asyncio.run(one.live.catch_up())
    assert len(one.used) == used


def test_what_an_update_counted_is_not_counted_twice(engine, shop):
    gateway = Gateway(engine, shop, until=NOW + 2)
    gateway.post("new", "i1", "i2", "i3")
    asyncio.run(gateway.live.catch_up())
    added = (
        gateway.used[-1].toarray()
        != Gateway(engine, shop).live._loaded().recommender.counted[0].votes.toarray()
    )
    assert not added[1, 2] and added[2, 3] and added[1, 3]


@pytest.fixture(scope="module")
def update(shop_run, shop):
    """An adapter of the shop's run whose head listens to its counts."""
    start = Start(shop_run)
    trained = start.head().grown(shop.table)
    rows = [[0, 1, 2], [4, 5, 6]]
    count_into(trained.head, rows, ItemFeatures.of(shop.table))
    trained.head.weight, trained.head.terms = 0.9, Terms(transitions=4.0)
    write_update(shop_run.parent / "updates" / "listens", start, trained, {})
    return "updates/listens"


@pytest.fixture(scope="module")
def clients(shop_settings, update):
    settings = shop_settings.model_copy(update={"live_counts_s": 0.05})
    with TestClient(create_app(settings)) as one, TestClient(create_app(settings)) as other:
        yield one, other


def test_what_others_did_counts_for_the_next_answer_of_every_gateway(clients, update):
    def catch_up():
        for client in clients:
            client.portal.call(client.app.state.service.catch_up)

    def scores():
        asked = {"events": [{"item_id": "i3"}], "k": 17}
        answers = [post(client, "/v1/recommend", **asked)["items"] for client in clients]
        one, other = ({item["item_id"]: item["score"] for item in items} for items in answers)
        assert one == pytest.approx(other, abs=1e-5)
        return one

    users = [f"n{number}" for number in range(4)]
    events = [
        {"user_id": user, "item_id": item, "timestamp": NOW + n}
        for user in users
        for n, item in enumerate(("i3", "i7"))
    ]
    post(clients[0], "/v1/events", events=events)
    assert clients[0].post("/v1/promotions", json={"path": update}).status_code == 200
    catch_up()
    after = scores()
    assert max(after, key=after.get) == "i7"
    for user in users:
        assert clients[1].delete(f"/v1/users/{user}").is_success
    catch_up()
    before = scores()
    assert before["i7"] < after["i7"] - 1
    post(clients[1], "/v1/events", events=events)
    catch_up()
    assert scores() == pytest.approx(after, abs=1e-4)


def test_what_is_popular_of_late_follows_too(shop_run, new_store):
    """Of an item of the log, and of one that no training met."""
    events = [
        {"user_id": f"p{number}", "item_id": item, "timestamp": NOW + number}
        for number, item in enumerate(["i7"] * 5 + ["new"] * 9)
    ]
    added = {"item_id": "new", "title": "Tea thing 99", "categories": ["Kitchen", "Tea"]}
    terms = Terms(popularity=2.0, popularity_days=1.0)
    with run_with_a_say(shop_run, "popular", terms) as run:
        settings = gateway_settings(run, new_store("sqlite"))
        with TestClient(create_app(settings)) as client:

            def scores(at):
                client.portal.call(client.app.state.service.catch_up)
                asked = {"events": [{"item_id": "i3", "timestamp": NOW - 9}], "k": 18, "at": at}
                items = post(client, "/v1/recommend", **asked)["items"]
                return {item["item_id"]: item["score"] for item in items}

            assert client.put("/v1/items", json={"items": [added]}).is_success
            before, long_after = scores(NOW + 3600), scores(NOW + 3 * DAY_S)
            post(client, "/v1/events", events=events)
            after = scores(NOW + 3600)
            best = sorted(after, key=after.get, reverse=True)
            assert {*best[:2]} == {"new", "i7"} and after["i7"] > before["i7"]
            assert scores(NOW + 3 * DAY_S) == pytest.approx(long_after, abs=1e-4)
            # Asked as of a last event of long ago, a page shows what is popular now.
            client.app.state.service.clock = lambda: NOW + 3600
            best = sorted(asked_now := scores(None), key=asked_now.get, reverse=True)
            assert {*best[:2]} == {"new", "i7"}
            for event in events:
                assert client.delete(f"/v1/users/{event['user_id']}").is_success
            assert scores(NOW + 3600) == pytest.approx(before, abs=1e-4)
