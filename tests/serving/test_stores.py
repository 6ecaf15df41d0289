"""Both databases, by the same tests."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Timer

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.event import listen
from typer.testing import CliRunner

from genrec.errors import ConfigError
from genrec.schema import Event
from genrec.serving.__main__ import cli
from genrec.serving.store import EventStore, Lock, StoredEvent, alone, connect, migrate
from genrec.serving.store.connect import POOL
from genrec.serving.store.tables import METADATA


@pytest.fixture
def events(engine):
    return EventStore(engine)


def event(item_id, timestamp, event_id=None, user_id="u"):
    return StoredEvent(Event(user_id, item_id, timestamp, "view"), event_id)


def test_migrations_make_exactly_the_tables_and_may_run_again(engine):
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_a_store_of_a_newer_version_is_refused(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ConfigError, match="by a newer genrec"):
        migrate(engine)


def test_several_gateways_migrate_at_once(url):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(connect(url)), range(4)))
    assert EventStore(connect(url)).add([event("a", 1)]) == 1


def test_who_opens_a_new_file_waits_for_whoever_is_setting_it_up(tmp_path):
    file = tmp_path / "store.db"
    # It means to write, with the journal that others want to exchange: there SQLite does not wait.
    first = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    first.executescript("CREATE TABLE t (n); BEGIN IMMEDIATE")
    Timer(0.3, first.close).start()
    with connect(f"sqlite:///{file}").connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_connections_are_kept_however_many_are_busy(engine):
    opened = []
    listen(engine, "connect", lambda *connection: opened.append(connection))
    for _ in range(3):
        with ExitStack() as stack:
            for _ in range(POOL["pool_size"]):
                stack.enter_context(engine.connect())
    assert len(opened) <= POOL["pool_size"]


def test_the_command_brings_a_store_up_to_date(url, monkeypatch):
    monkeypatch.setenv("GENREC_STORE", url)
    done = CliRunner().invoke(cli, ["migrate"])
    assert done.exit_code == 0 and done.stdout.endswith("is up to date\n")
    assert EventStore(connect(url)).history("u", 1).events == ()


def test_everything_of_an_event_comes_back(events):
    full = StoredEvent(
        Event("ü ser", "P1", 7, "purchase", 4.5, "Größe 🎈", 'it\'s \\ "fine"\n'), "e1"
    )
    events.add([full])
    assert events.history("ü ser", 10).events == (full,)


def test_an_id_is_stored_once(events):
    assert events.add([event("a", 1, "x"), event("b", 2, "x"), event("c", 3)]) == 2
    assert events.add([event("d", 4, "x"), event("e", 5, "y")]) == 1
    assert [stored.event.item_id for stored in events.history("u", 10).events] == ["a", "c", "e"]


def test_an_id_sent_by_many_at_once_is_stored_once(events):
    batch = [event("a", number, f"id-{number}") for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: events.add(batch), range(16)))
    assert sum(added) == 50
    assert len(events.history("u", 100).events) == 50


def test_events_are_ordered_by_time_then_arrival(events):
    events.add([event("late", 9), event("early", 1)])
    events.add([event("late too", 9), event("middle", 5)])
    items = [stored.event.item_id for stored in events.history("u", 10).events]
    assert items == ["early", "middle", "late", "late too"]


def test_a_long_history_keeps_its_newest_and_names_the_older_items(events):
    events.add([event(f"P{number}", number) for number in range(1000)])
    history = events.history("u", 10)
    assert [stored.event.item_id for stored in history.events] == [
        f"P{n}" for n in range(990, 1000)
    ]
    assert history.older_items == {f"P{number}" for number in range(990)}


def test_users_are_found_by_a_part_of_their_id(events):
    for user_id in ("Zoë", "a_b", "aXb", "b%", "B2"):
        events.add([event("P", 1, user_id=user_id)] * 2)
    assert list(events.users("", 10)) == sorted(["Zoë", "a_b", "aXb", "b%", "B2"])
    assert events.users("A_B", 10) == {"a_b": 2}
    assert events.users("%", 10) == {"b%": 2}
    assert list(events.users("", 2)) == ["B2", "Zoë"]
    assert events.counts(["a_b", "nobody"]) == {"a_b": 2}


def test_a_forgotten_user_leaves_nothing_but_a_hash(events, engine):
    events.add([event("a", 1, user_id="secret-person"), event("b", 1, user_id="other")])
    events.forget("secret-person")
    events.forget("secret-person")
    history = events.history("secret-person", 10)
    assert history.events == () and history.forgotten
    assert events.forgotten(["secret-person", "other"]) == {"secret-person"}
    with engine.connect() as connection:
        for table in METADATA.tables.values():
            for row in connection.execute(table.select()):
                assert "secret-person" not in map(str, row)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:pw@host/db", "mysql"),
        ("sqlite://", "in memory"),
        ("nonsense pw", "must be sqlite"),
        ("postgresql://u:pw@127.0.0.1:1/db", "127.0.0.1"),
    ],
)
def test_a_store_that_cannot_be_used_says_so_without_its_password(url, words):
    with pytest.raises(ConfigError, match=words) as raised:
        migrate(connect(url))
    assert "pw" not in str(raised.value)


def test_two_who_want_to_be_alone_shut_each_other_out(url):
    """Also where both are of one process, and again and again."""
    one, other = connect(url), connect(url)
    for _ in range(2):
        with alone(one, Lock.UPDATE) as first, alone(other, Lock.UPDATE) as second:
            assert (first, second) == (True, False)
    with pytest.raises(RuntimeError), alone(one, Lock.UPDATE):
        raise RuntimeError
    with alone(other, Lock.UPDATE) as again:
        assert again
    for engine in (one, other):
        engine.dispose()
