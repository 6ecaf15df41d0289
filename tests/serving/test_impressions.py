"""What was shown: kept once a page, found by what follows it, gone with its user."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy.exc import OperationalError

from genrec.schema import Event
from genrec.serving.impressions import Impressions
from genrec.serving.monitoring import Metrics
from genrec.serving.retention import keep_sweeping
from genrec.serving.store import EventStore, Impression, ImpressionStore, StoredEvent
from genrec.serving.store.tables import EVENTS, IMPRESSIONS

NOON = 1_800_000_000
DAY_S = 86_400
PAGE = Impression("ü ser", NOON, (("P1", -0.5), ("P2", -1.25)), "run", "sft")


@pytest.fixture
def shown(engine):
    return ImpressionStore(engine)


@pytest.fixture
def events(engine):
    return EventStore(engine)


def followed(engine, events, *posted):
    """Post events of ``PAGE``'s user and return what each was attributed to."""
    events.add(
        [
            StoredEvent(Event(user_id, item_id, time), recommendation_id=name)
            for user_id, item_id, time, name in posted
        ]
    )
    with engine.connect() as connection:
        found = connection.execute(EVENTS.select().order_by(EVENTS.c.number)).all()
    return [row.recommendation_id for row in found[-len(posted) :]]


def test_everything_of_an_impression_comes_back(shown):
    (name,) = shown.add([PAGE])
    assert shown.read(name) == PAGE
    assert shown.read("another") is None
    in_arms = replace(PAGE, arm="a", arms=(("spread", "new"), ("tea", "old")))
    (other,) = shown.add([in_arms])
    assert other != name and shown.read(other) == in_arms


def test_a_page_shown_twice_counts_once_whoever_shows_it(shown, engine):
    again = replace(PAGE, time=NOON + 60)
    others = [
        replace(PAGE, user_id="other"),
        replace(PAGE, items=PAGE.items[::-1]),
        replace(PAGE, adapter=None),
        replace(PAGE, time=NOON + 3600),
    ]
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(lambda _: shown.add([PAGE, again, *others]), range(8)))
    assert all(batch == names[0] for batch in names)
    assert names[0][0] == names[0][1] and len(set(names[0])) == 5
    assert shown.read(names[0][0]).times == 16
    with engine.connect() as connection:
        assert len(connection.execute(IMPRESSIONS.select()).all()) == 5


def test_nobody_is_never_the_same_person(shown):
    names = shown.add([replace(PAGE, user_id=None)] * 2)
    assert len(set(names)) == 2


def test_an_event_follows_the_page_it_names(shown, events, engine):
    mine, anybodys, foreign = shown.add(
        [PAGE, replace(PAGE, user_id=None), replace(PAGE, user_id="other", items=(("P9", 0.0),))]
    )
    late = NOON + 40 * DAY_S
    user = PAGE.user_id
    assert followed(
        engine,
        events,
        (user, "P1", late, mine),
        (user, "P2", late, anybodys),
        (user, "P7", late, mine),  # not on the page
        (user, "P9", late, foreign),
        (user, "P1", late, "no such recommendation"),
    ) == [mine, anybodys, None, None, None]


def test_an_event_that_names_none_follows_the_last_page_with_its_item(shown, events, engine):
    first, second, third = shown.add(
        [PAGE, replace(PAGE, time=NOON + 7200), replace(PAGE, time=NOON + 9000, items=(("P3", 0),))]
    )
    user = PAGE.user_id
    assert followed(
        engine,
        events,
        (user, "P1", NOON + 7199, None),
        (user, "P1", NOON + 8000, None),
        (user, "P2", NOON + 9001, "another's"),
        (user, "P3", NOON + 8900, None),  # a clock that is a little behind
        (user, "P3", NOON + 8000, None),
        (user, "P1", NOON + 8 * DAY_S, None),
        ("other", "P1", NOON + 8000, None),
    ) == [first, second, second, third, None, None, None]


def test_a_forgotten_user_leaves_no_impression(shown, events):
    (name,) = shown.add([PAGE])
    events.forget(PAGE.user_id)
    assert shown.read(name) is None
    # An answer that was under way when its user was forgotten; and one to who came back.
    assert shown.add([PAGE, replace(PAGE, user_id="other")])[0] is None
    (later,) = shown.add([replace(PAGE, forgotten=1)])
    assert shown.read(later) is not None and later != name
    events.forget(PAGE.user_id)
    assert shown.add([replace(PAGE, forgotten=1)]) == [None]


def test_an_event_may_name_the_impression_of_a_forgotten_user(shown, events, engine):
    (name,) = shown.add([PAGE])
    events.forget(PAGE.user_id)
    assert followed(engine, events, (PAGE.user_id, "P1", NOON, name)) == [None]


def test_old_events_go_but_not_by_a_clock_that_jumps(events):
    for day in (0, 10):
        events.add([StoredEvent(Event("u", f"P{day}", NOON + day * DAY_S))])
    assert events.prune(NOON + 9000 * DAY_S, 11 * DAY_S) == 0
    assert events.prune(NOON + 11 * DAY_S, 9 * DAY_S) == 1
    assert [stored.event.item_id for stored in events.history("u", 9).events] == ["P10"]


def test_a_gateway_sweeps_what_is_too_old_though_the_store_is_away_for_a_while(shown, events):
    page = replace(PAGE, time=NOON + 10 * DAY_S)
    shown.add([PAGE, page])
    calls = []

    def away(now, keep_s):
        calls.append((now, keep_s))
        raise OperationalError("DELETE", {}, Exception("away"))

    async def sweep():
        parts = [(away, 3), (events.prune, 0), (shown.prune, 9)]
        sweeping = asyncio.create_task(keep_sweeping(parts, lambda: page.time, every_s=0.01))
        while len(calls) < 2:
            await asyncio.sleep(0.01)
        sweeping.cancel()

    asyncio.run(sweep())
    assert calls[0] == (page.time, 3 * DAY_S)
    assert list(shown.between(0, page.time + 1, 9).values()) == [page]


def test_old_impressions_go_but_not_by_a_clock_that_jumps(shown):
    old, new = shown.add([PAGE, replace(PAGE, time=NOON + 10 * DAY_S)])
    assert shown.prune(NOON + 9 * DAY_S, 9 * DAY_S) == 0
    assert shown.prune(NOON + 9000 * DAY_S, 11 * DAY_S) == 0
    assert shown.prune(NOON + 11 * DAY_S, 9 * DAY_S) == 1
    assert shown.read(old) is None and shown.read(new) is not None
    assert shown.prune(0, DAY_S) == 0


class SlowStore(ImpressionStore):
    """A store whose transactions take as long as a test wants; some fail."""

    def __init__(self, engine):
        super().__init__(engine)
        self.batches, self.go, self.fails = [], threading.Event(), False

    def add(self, impressions):
        self.batches.append(len(impressions))
        assert self.go.wait(10)
        if self.fails:
            raise OperationalError("INSERT", {}, Exception("away"))
        return super().add(impressions)


def test_answers_gather_while_the_store_writes_and_none_leaves_before_it_is_stored(engine):
    store = SlowStore(engine)

    async def show():
        impressions = Impressions(store, Metrics())
        waiting = [
            asyncio.create_task(impressions.keep(replace(PAGE, user_id=f"u{number}")))
            for number in range(20)
        ]
        while not store.batches:
            await asyncio.sleep(0.01)
        late = [asyncio.create_task(impressions.keep(replace(PAGE, user_id="late")))]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in (*waiting, *late))
        store.go.set()
        names = await asyncio.gather(*waiting, *late)
        store.fails = True
        failed = await asyncio.gather(
            *(impressions.keep(PAGE) for _ in range(2)), return_exceptions=True
        )
        store.fails = False
        assert await impressions.keep(PAGE) is not None
        return names, failed

    names, failed = asyncio.run(show())
    assert store.batches[:2] == [20, 1]
    assert len(set(names)) == 21 and all(store.read(name) is not None for name in names)
    assert all(isinstance(error, OperationalError) for error in failed)
