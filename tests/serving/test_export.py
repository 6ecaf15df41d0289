"""From the store to training: nothing twice, nothing missed, the forgotten never again."""

import json
import threading

import pyarrow.parquet as pq
import pytest

from genrec.artifacts import read_manifest
from genrec.data import Dataset
from genrec.data.config import PrepareConfig
from genrec.data.prepare import prepare
from genrec.errors import DataError
from genrec.schema import Event, Item
from genrec.serving.export import export, position_of, prepare_from_store, settings_of
from genrec.serving.histories import Histories, PreparedUsers
from genrec.serving.store import (
    ChangeLog,
    EventStore,
    Position,
    PreferenceStore,
    StoredEvent,
    StoredItem,
    StoredPreferences,
    connect,
    migrate,
    read_store_id,
)
from genrec.serving.store.tables import EVENTS
from genrec.serving.store.transactions import Lock, transaction
from tests.conftest import genrec

NOW = 1_900_000_000


@pytest.fixture
def events(engine):
    return EventStore(engine)


@pytest.fixture
def join(engine, tmp_path):
    """Return a function that joins prepared data with the store, into a new folder."""

    def run(base, name):
        prepare_from_store(engine, base, tmp_path / name, PrepareConfig(**settings_of(base)))
        return Dataset.load(tmp_path / name)

    return run


def view(user_id, item_id, time=NOW, event_id=None, **fields):
    return StoredEvent(Event(user_id, item_id, time, "view", **fields), event_id)


def say(engine, *items):
    log = ChangeLog(engine)
    assert log.append([item.to_change() for item in items], log.head())


def read(folder, name="events"):
    return pq.read_table(folder / f"{name}.parquet").to_pylist()


def histories(data):
    return {history.user_id: history.events for history in data.histories("test")}


def test_an_export_holds_all_and_the_next_one_what_came_since(engine, events, tmp_path):
    events.add(
        [view("ü", "P1", 7, "e1", title="Größe", review="a\nb", rating=4.5), view("v", "P2")]
    )
    window = {"available_from": 5, "available_until": 9}
    words = {"title": "T", "categories": ("a",), "attributes": {"sizes": ("s", "m")}}
    say(engine, StoredItem("N1", words, {"t": (1,)}, **window))
    first = export(engine, tmp_path / "a")
    assert (first.events, first.items, first.forgotten) == (2, 1, 0)
    assert read(tmp_path / "a")[0] == {
        **{"number": 1, "event_id": "e1", "recommendation_id": None, "user_id": "ü"},
        **{"item_id": "P1", "timestamp": 7, "event_type": "view", "rating": 4.5},
        **{"title": "Größe", "review": "a\nb", "text": None},
    }
    assert read(tmp_path / "a", "items") == [
        {
            **{"item_id": "N1", "title": "T", "brand": None, "categories": ["a"]},
            **{"description": None, "text": None, "attributes": '{"sizes": ["s", "m"]}'},
            **{"retired": False, **window},
        }
    ]
    events.add([view("w", "P3")])
    events.forget("v")
    second = export(engine, tmp_path / "b", position_of(tmp_path / "a"))
    assert [row["user_id"] for row in read(tmp_path / "b")] == ["w"] and second.items == 0
    assert len(json.loads((tmp_path / "b" / "forgotten.json").read_text())) == 1
    assert export(engine, tmp_path / "c", second.upto).events == 0


def test_equal_positions_give_equal_bytes(engine, events, tmp_path):
    events.add([view(f"u{number}", "P1", number) for number in range(100)])
    hashes = set()
    for name in "ab":
        export(engine, tmp_path / name)
        hashes.add(read_manifest(tmp_path / name).content_hash)
    assert len(hashes) == 1


def test_exports_while_events_arrive_miss_none_and_repeat_none(url, engine, tmp_path):
    done = threading.Event()

    def post(name):
        store = EventStore(connect(url))
        for number in range(60):
            store.add([view(name, "P1", number, f"{name}-{number}")])

    posting = [threading.Thread(target=post, args=(name,)) for name in "abcd"]
    for thread in posting:
        thread.start()
    found, since = [], None
    while not done.is_set():
        if not any(thread.is_alive() for thread in posting):
            done.set()
        part = tmp_path / f"part{len(found)}"
        since = export(engine, part, since).upto
        found.append([row["event_id"] for row in read(part)])
    ids = [event_id for part in found for event_id in part]
    assert len(ids) == len(set(ids)) == 240


@pytest.mark.services
def test_a_number_is_not_passed_over_while_it_may_still_come(new_store, tmp_path):
    # SQLite lets one write at a time.
    engine = connect(new_store("postgres"))
    migrate(engine)
    began, go = threading.Event(), threading.Event()

    def add_slowly():
        with transaction(engine, Lock.EVENTS, together=True) as connection:
            row = {"user_id": "slow", "item_id": "P1", "timestamp": 1}
            connection.execute(EVENTS.insert(), row)
            began.set()
            assert go.wait(10)

    slow = threading.Thread(target=add_slowly)
    slow.start()
    assert began.wait(10)
    EventStore(engine).add([view("quick", "P1")])
    exported = []
    reading = threading.Thread(target=lambda: exported.append(export(engine, tmp_path / "a")))
    reading.start()
    reading.join(0.5)
    assert not exported
    go.set()
    reading.join(20)
    slow.join()
    engine.dispose()
    assert [row["user_id"] for row in read(tmp_path / "a")] == ["slow", "quick"]


def test_a_position_of_another_store_is_refused(engine, tmp_path, toy_data):
    with pytest.raises(DataError, match="this is store"):
        export(engine, tmp_path / "a", Position("another", 5, 5))
    with pytest.raises(DataError, match="was not made from a store"):
        position_of(toy_data.path)


def test_what_happened_is_joined_with_the_prepared_data(engine, events, toy_data, join):
    before = histories(toy_data)
    ada, bob, *_ = before
    old = before[ada][-1]
    attributes = {"price": 12.5, "sizes": ("s", "m")}
    words = {"title": "Puppy &amp; File\n", "categories": ("Pets", ""), "attributes": attributes}
    say(
        engine,
        StoredItem("N1", words, {"t": (1,)}),
        StoredItem("P001", {"title": "Another title"}, retired=True),
        StoredItem("elsewhere", {"title": "an item of another run"}),
    )
    events.add(
        [
            view("new", "P002", NOW + 1, review="fine\x07 &lt;3"),
            view("new", "N1", NOW),
            StoredEvent(old),  # told twice
            view(ada, "N1", old.timestamp - 1),
        ]
    )
    events.add([view(bob, "P002")])
    events.forget(bob)
    joined = join(toy_data, "joined")
    after = histories(joined)
    assert [event.item_id for event in after["new"]] == ["N1", "P002"]
    assert after["new"][1].review == "fine <3"
    assert sorted(after[ada], key=str) == sorted(
        (*before[ada], Event(ada, "N1", old.timestamp - 1, "view")), key=str
    )
    assert bob not in after
    assert {name: after[name] for name in before if name not in (ada, bob)} == {
        name: events for name, events in before.items() if name not in (ada, bob)
    }
    assert joined.items_by_id["N1"] == Item(
        "N1", "Puppy & File", categories=("Pets",), attributes=attributes
    )
    assert joined.items_by_id["P001"].title == "Another title"
    assert joined.items[: len(toy_data.items)][0].item_id == toy_data.items[0].item_id
    assert "elsewhere" not in joined.items_by_id
    assert joined.protocol == toy_data.protocol
    assert not (joined.path / "events.parquet").read_bytes().count(bob.encode())


def test_a_step_at_a_time_gives_what_one_step_gives(engine, events, toy_data, join):
    ada, bob, eve, *_ = histories(toy_data)
    events.add([view("new", "P002"), view(ada, "P003"), view("new", "P004")])
    events.forget(bob)
    events.add([view(bob, "P005", NOW - 5)])
    first = join(toy_data, "first")
    assert [event.item_id for event in histories(first)[bob]] == ["P005"]
    say(engine, StoredItem("N1", {"title": "T"}, {"t": (1,)}))
    events.forget(eve)
    events.add([view("new", "N1", NOW), view(bob, "P006"), view("newer", "P002")])
    second, whole = join(first, "second"), join(toy_data, "whole")
    assert second.manifest.content_hash == whole.manifest.content_hash
    assert second.manifest.config == whole.manifest.config
    assert second.manifest.content_hash == join(toy_data, "again").manifest.content_hash
    assert [event.item_id for event in histories(second)[bob]] == ["P005", "P006"]
    assert histories(second) == histories(join(second, "nothing new"))
    # Who is forgotten a second time loses what came in between.
    events.forget(bob)
    assert bob not in histories(join(second, "third"))


def test_joined_data_are_served_without_counting_an_event_twice(engine, events, toy_data, join):
    ada, bob, *_ = histories(toy_data)
    events.add([view(ada, "P003"), view("new", "P004"), view(bob, "P003")])
    joined = join(toy_data, "joined")
    events.add([view(ada, "P005", NOW + 1)])
    known = Position.of(joined.manifest.config, read_store_id(engine))
    served = Histories(PreparedUsers(joined), events, 1000, known.events)
    expected = [event.item_id for event in (*histories(toy_data)[ada], *view_items("P003", "P005"))]
    assert [event.item_id for event in served.read(ada).history.events] == expected
    assert dict(served.search(ada, 1)) == {ada: len(expected)}
    # Whom the join left out is known from the store alone.
    without = Histories(PreparedUsers(toy_data), events, 1000, known.events)
    assert [event.item_id for event in without.read("new").history.events] == ["P004"]
    assert without.search("new", 1) == [("new", 1)]
    events.forget(bob)
    events.add([view(bob, "P006")])
    assert [event.item_id for event in served.read(bob).history.events] == ["P006"]
    other = Position.of(joined.manifest.config, "another store")
    assert other == Position("another store", 0, 0)


def view_items(*item_ids):
    return [Event("", item_id, 0) for item_id in item_ids]


def test_data_without_times_are_refused(engine, tmp_path, join):
    (tmp_path / "e.csv").write_text("user_id,item_id\n" + "a,x\na,y\na,z\nb,x\nb,y\nb,z\n")
    prepare(tmp_path / "e.csv", None, tmp_path / "base", PrepareConfig(order="file"))
    with pytest.raises(DataError, match="order=file"):
        join(Dataset.load(tmp_path / "base"), "joined")


def test_the_commands(url, events, toy_data, tmp_path):
    events.add([view("new", "P002")])
    done = genrec("export", "--store", url, "--out", tmp_path / "a")
    assert done.returncode == 0 and "1 events, 0 items, 0 forgotten" in said(done)
    done = genrec("export", "--store", url, "--out", tmp_path / "b", "--since", tmp_path / "a")
    assert "0 events" in said(done)
    common = ("--store", url, "--data", toy_data.path, "--out", tmp_path / "c")
    assert genrec("prepare", *common, "--split", "global-time").returncode == 0
    joined = Dataset.load(tmp_path / "c")
    assert joined.protocol == "global-time" and "new" in histories(joined)
    for wrong, words in (
        (("prepare", "--out", tmp_path / "d"), "--events FILE"),
        (("prepare", "--store", url, "--out", tmp_path / "d"), "give --data"),
        (("export", "--store", f"sqlite:///{tmp_path}/no.db", "--out", tmp_path / "d"), "no store"),
    ):
        failed = genrec(*wrong)
        assert failed.returncode == 2 and words in said(failed)


def said(done):
    return " ".join((done.stdout + done.stderr).split())


@pytest.mark.usefixtures("engine")
def test_gifts_are_left_out_of_the_next_training(engine, events, join, toy_data, tmp_path):
    user = next(toy_data.histories("test"))
    first, last = user.events[0], user.events[-1]
    item_id = last.item_id
    events.add([view(user.user_id, item_id, NOW), view(user.user_id, item_id, NOW + 1)])
    store = PreferenceStore(engine)
    gifts = [
        {"gift": {"item_id": first.item_id, "timestamp": first.timestamp}},
        {"gift": {"item_id": item_id, "timestamp": NOW}},
        {"less": "tea · espresso"},
    ]
    assert store.put(StoredPreferences(user.user_id, gifts, NOW), forgotten=0)
    export(engine, tmp_path / "export")
    assert json.loads((tmp_path / "export" / "left_out.json").read_text()) == sorted(
        [user.user_id, gift["gift"]["item_id"], gift["gift"]["timestamp"]] for gift in gifts[:2]
    )
    joined = join(toy_data, "joined").history(user.user_id)
    kept = [(event.item_id, event.timestamp) for event in joined.events]
    assert (first.item_id, first.timestamp) not in kept and (item_id, NOW) not in kept
    assert (item_id, NOW + 1) in kept and len(kept) == len(user.events)
    # Of whom nothing is known any more, no wish is kept.
    events.forget(user.user_id)
    assert events.history(user.user_id, 1).preferences is None
    assert not store.put(StoredPreferences(user.user_id, gifts, NOW), forgotten=0)
