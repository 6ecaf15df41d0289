"""One log for all gateways: its order, its notices, and catalogues that follow it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from genrec.recommender import Recommender
from genrec.schema import Event, History, Item, Request
from genrec.serving.catalogue import Catalogue
from genrec.serving.errors import NotFound, ServiceError
from genrec.serving.store import (
    Change,
    ChangeLog,
    EventStore,
    RuleStore,
    StoredEvent,
    StoredItem,
    StoredRule,
    connect,
    migrate,
)
from genrec.serving.store.connect import MIGRATIONS

FILE = Item("N1", "Fernpaw Puppy Nail File", "Fernpaw", ("Pets", "Dogs"), "Fine.", "grit: 240")
LEASH = Item("N2", "Fernpaw Puppy Leash", "Fernpaw", ("Pets", "Dogs"))
BOWL = Item("N3", "Fernpaw Puppy Bowl", "Fernpaw", ("Pets", "Dogs"))
NOW = 1_800_000_000


@pytest.fixture
def log(engine):
    return ChangeLog(engine)


@pytest.fixture
def gateways(chain, log):
    """Return a function that starts a catalogue over the log, as a gateway does."""

    def start(table_hash="table"):
        recommender = Recommender.from_pretrained(chain.sft, "cpu")
        catalogue = Catalogue(recommender, log, table_hash)
        catalogue.catch_up()
        return recommender, catalogue

    return start


def say(subject, **body):
    return Change("item", subject, body)


def test_only_the_last_word_on_a_subject_is_kept_in_order(log):
    assert log.head() == 0 and log.read(0) == []
    log.append([say("a", title="1"), say("b", title="1")], after=0)
    (again,) = log.append([say("a", title="2")], after=2)
    assert again == Change("item", "a", {"title": "2"}, number=3, first=1)
    assert [(change.subject, change.number) for change in log.read(0)] == [("b", 2), ("a", 3)]
    assert log.read(2) == [again] and log.read(3) == [] and log.head() == 3


def test_who_does_not_know_the_last_change_adds_nothing(log):
    log.append([say("a")], after=0)
    assert log.append([say("b")], after=0) is None
    assert log.append([], after=1) == []
    assert [change.subject for change in log.read(0)] == ["a"]


def test_of_many_at_once_every_change_is_added_once_and_seen_in_order(log):
    def add(name):
        while log.append([say(f"{name} at {log.head()}")], after=log.head()) is None:
            pass

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(add, map(str, range(18))))
    assert [change.number for change in log.read(0)] == list(range(1, 19))


def test_a_watcher_is_woken(url, engine, log):
    poll_s = 30 if url.startswith("postgresql") else 0.05

    async def watch():
        async with aclosing(log.watch(poll_s)) as looks:
            await anext(looks)
            waiting = asyncio.ensure_future(anext(looks))
            await asyncio.sleep(0.2)
            # A gateway of its own; SQLite has no notices, and is looked at often.
            await asyncio.to_thread(ChangeLog(connect(url)).append, [say("a")], 0)
            await asyncio.wait_for(waiting, 10)

    asyncio.run(watch())
    assert log.head() == 1


@pytest.mark.services
def test_a_watcher_outlives_the_server(postgres, new_store):
    log = ChangeLog(connect(new_store("postgres")))

    async def watch():
        async with aclosing(log.watch(0.2)) as looks:
            await anext(looks)
            await asyncio.to_thread(postgres.stop)
            for _ in range(3):
                await asyncio.wait_for(anext(looks), 10)
            await asyncio.to_thread(postgres.start)
            for _ in range(3):
                await asyncio.wait_for(anext(looks), 10)

    asyncio.run(watch())


def test_an_item_says_the_same_before_and_after_the_log(log):
    stored = StoredItem("N1", {"title": "ü", "categories": ("a", "b")}, {"t": (1, 2)}, True, 0, 9)
    log.append([stored.to_change()], after=0)
    assert StoredItem.from_change(log.read(0)[0]) == stored


def test_gateways_agree_whoever_adds_and_whoever_was_away(gateways, log):
    (first, one), (second, two) = gateways(), gateways()
    one.add([FILE])
    # It had not heard of the file: it must not give the leash the same ID.
    two.add([LEASH, FILE])
    one.change("N1", {"title": "Fernpaw Nail File"})
    one.catch_up()
    one.add([BOWL])
    two.change("N3", {"retired": True})
    one.catch_up()
    away, late = gateways()
    for recommender in (second, away):
        assert recommender.table.item_ids == first.table.item_ids
        assert (recommender.table.codes == first.table.codes).all()
        assert recommender.item("N1") == Item(
            "N1", "Fernpaw Nail File", *(FILE.brand, FILE.categories, FILE.description, FILE.text)
        )
        assert (recommender.table.text_vectors == first.table.text_vectors).all()
    assert one.position == two.position == late.position == log.head()
    assert one.stored("N3").retired and late.stored("N3").retired
    assert len(one) == len(late) == len(first.table) - 1


def test_many_gateways_add_at_once(gateways):
    started = [gateways() for _ in range(3)]

    def add(number):
        _, catalogue = started[number]
        for item in range(4):
            catalogue.add([Item(f"N{number}-{item}", FILE.title), Item(f"both-{item}", FILE.title)])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, range(3)))
    for _, catalogue in started:
        catalogue.catch_up()
    tables = [recommender.table for recommender, _ in started]
    assert len({tuple(map(tuple, table.codes.tolist())) for table in tables}) == 1
    assert all(table.item_ids == tables[0].item_ids for table in tables)
    assert len(set(map(tuple, tables[0].codes.tolist()))) == len(tables[0])


def test_a_retired_item_is_in_no_answer_but_in_histories(gateways):
    recommender, catalogue = gateways()
    request = Request(History("u", ()))
    best = recommender.rank_many([request], 1)[0][0].item_id
    codes = recommender.codes_of(best)
    catalogue.change(best, {"retired": True})
    found = recommender.rank_many([catalogue.restrict(request, NOW)], len(recommender.table))[0]
    assert best not in {item.item_id for item in found}
    assert len(found) == len(recommender.table) - 1
    assert recommender.knows(best) and recommender.codes_of(best) == codes
    assert best not in {item.item_id for item in catalogue.search("", 1000)}
    catalogue.add([Item(best, "Another title")])
    assert catalogue.stored(best).retired
    catalogue.change(best, {"retired": False})
    assert catalogue.restrict(request, NOW) is request


def test_an_item_is_there_within_its_window(gateways):
    recommender, catalogue = gateways()
    catalogue.change("P001", {"available_from": NOW, "available_until": NOW + 10})
    request = Request(History("u", ()), exclude=frozenset({"P002"}))

    def excluded(at):
        return catalogue.restrict(request, at).exclude

    assert excluded(NOW - 1) == {"P001", "P002"} == excluded(NOW + 10)
    assert excluded(NOW) == {"P002"} == excluded(NOW + 9)
    with pytest.raises(ServiceError, match="does not lie before available_until"):
        catalogue.change("P001", {"available_until": NOW})
    catalogue.change("P001", {"available_from": None})
    assert excluded(NOW - 1) == {"P002"}
    with pytest.raises(NotFound, match="no item 'nope'"):
        catalogue.change("nope", {"retired": True})


def test_new_words_are_read_when_their_item_is_as_available_as_was_said_with_them(
    gateways, monkeypatch
):
    (here, told), (_, catalogue) = gateways(), gateways()
    rewrite, restore, seen = here.rewrite_items, here.restore_items, []

    def watched(do, *given):
        # What other threads may read from now on.
        seen.append(sorted(told.gone(NOW)))
        do(*given)

    monkeypatch.setattr(here, "rewrite_items", lambda *given: watched(rewrite, *given))
    monkeypatch.setattr(here, "restore_items", lambda *given: watched(restore, *given))
    catalogue.add([FILE, LEASH])
    catalogue.change("N2", {"retired": True})
    told.catch_up()
    catalogue.change("N2", {"retired": False, "title": "Leash"})
    told.catch_up()
    catalogue.change("N1", {"retired": True, "title": "File"})
    told.catch_up()
    assert seen == [["N2"], [], ["N1"]]
    assert here.item("N2").title == "Leash" and told.gone(NOW) == {"N1"}


def test_new_words_are_found_read_and_scored(gateways):
    recommender, catalogue = gateways()
    before = recommender.table
    place, description = before.index_of("P001"), recommender.item("P001").description
    words = {"title": "Walnut Gramophone", "categories": ("Music",), "brand": None}
    catalogue.change("P001", words)
    assert catalogue.search("walnut gramophone", 5)[0].item_id == "P001"
    assert sum(item.item_id == "P001" for item in catalogue.search("", 1000)) == 1
    assert recommender.item("P001").description == description
    assert recommender.codes_of("P001") == before.codes_of("P001")
    assert (recommender.table.text_vectors[place] != before.text_vectors[place]).any()
    same = recommender.table
    catalogue.change("P001", words)
    assert recommender.table is same


def test_another_table_gives_its_own_ids_and_leaves_those_of_the_first(gateways, log):
    (first, one), _ = gateways(), gateways()
    one.add([FILE, LEASH])
    one.change("P001", {"title": "Only ours"})
    other, two = gateways("another table")
    assert [other.knows(name) for name in ("N1", "N2")] == [True, True]
    one.catch_up()
    assert first.codes_of("N1") == one.stored("N1").codes["table"]
    assert set(one.stored("N1").codes) == {"table", "another table"} == set(two.stored("N1").codes)
    log.append([StoredItem("elsewhere", {"title": "of another run"}).to_change()], log.head())
    two.catch_up()
    assert not other.knows("elsewhere") and two.position == log.head()


def test_rules_of_an_older_store_are_told_to_the_log(url):
    engine = connect(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for version, rule in ((1, '{"ban": {}}'), (2, '{"pin": ["i1"]}')):
            row = {"name": "a", "version": version, "rule": rule, "always": True, "time": NOW}
            values = "VALUES (:name, :version, :rule, :always, :time)"
            connection.execute(text(f"INSERT INTO rules {values}"), row)
    migrate(engine)
    assert RuleStore(engine).read(0) == ([StoredRule("a", 2, {"pin": ["i1"]}, True, NOW)], 1)


def test_a_store_of_the_first_version_keeps_what_it_holds(url):
    engine = connect(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    added = {"item_id": "N1", "categories": '["Pets"]', "index_hash": "t", "semantic_id": "1-22-3"}
    posted = {"event_id": "e", "user_id": "u", "item_id": "N1", "timestamp": NOW}
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for table, row in (
            ("items", added),
            ("events", posted),
            ("events", posted | {"event_id": "f"}),
        ):
            names = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), row)
        connection.execute(text("INSERT INTO forgotten_users VALUES (:who)"), {"who": "abc"})
    migrate(engine)
    (change,) = ChangeLog(engine).read(0)
    stored = StoredItem.from_change(change)
    assert stored.item_id == "N1" and stored.codes == {"t": (1, 22, 3)} and not stored.is_limited
    assert stored.rewrite(Item("N1")) == Item("N1", categories=("Pets",))
    events = EventStore(engine)
    assert [kept.event_id for kept in events.history("u", 9).events] == ["e", "f"]
    # The number of a row that is gone is not given again.
    events.forget("u")
    events.add([StoredEvent(Event("v", "N1", NOW))])
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT number FROM events")) == 3
        assert sorted(connection.execute(text("SELECT times FROM forgotten_users")).scalars()) == [
            1,
            1,
        ]
