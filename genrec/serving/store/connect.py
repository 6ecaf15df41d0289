"""From a URL to a database that is up to date: SQLite in WAL mode, or PostgreSQL.

The driver is a synchronous one, called from a pool of threads: SQLite has no other kind, a call
takes a fraction of a millisecond, and so both databases share every line of this package.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

from genrec.errors import ConfigError
from genrec.serving.store.transactions import Lock, transaction

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 10_000
CONNECT_TIMEOUT_S = 5
POOL = {"pool_size": 15, "max_overflow": 0}
"""Of connections. None is closed while others are busy: to open one costs more than most of what it
is asked."""


def connect(url: str, must_exist: bool = False) -> Engine:
    """Open the database; nothing is sent to it yet.

    Args:
        url: Of SQLite or PostgreSQL.
        must_exist: Whether a file of SQLite must be there; else it is made.

    Raises:
        ConfigError: The URL is of no database we know, or of none that is there.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text itself may hold a password.
        raise ConfigError(_EXPECTED) from None
    match parsed.get_backend_name():
        case "sqlite":
            return _connect_sqlite(parsed, must_exist)
        case "postgresql" | "postgres":
            return create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                hide_parameters=True,
                **POOL,
                connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
            )
        case name:
            raise ConfigError(f"no store in '{name}'; {_EXPECTED}")


_EXPECTED = (
    "the store (GENREC_STORE) must be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE "
    "(an absolute SQLite path has four slashes)"
)


def _connect_sqlite(url: URL, must_exist: bool) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigError(f"a store in memory would lose acknowledged events; {_EXPECTED}")
    if must_exist and not Path(url.database).is_file():
        raise ConfigError(f"there is no store at {url.database}; is the path that of the gateway?")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url.set(drivername="sqlite"), hide_parameters=True, connect_args={"timeout": 0}, **POOL
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # Its own knows the letters of ASCII alone.
        connection.create_function("lower", 1, _lower, deterministic=True)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        _write_ahead(cursor)
        # FULL: an acknowledged event survives a power cut, not only the end of this process.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return engine


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _is_busy(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY


@retry(
    retry=retry_if_exception(_is_busy),
    wait=wait_random(0, 0.05),
    stop=stop_after_delay(BUSY_TIMEOUT_MS / 1000),
    reraise=True,
)
def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Let a file be read while it is written: for this SQLite waits for nobody by itself."""
    cursor.execute("PRAGMA journal_mode=WAL")


def empty_journal(engine: Engine) -> None:
    """Bring what SQLite wrote ahead into its file, so that what was deleted is nowhere on disk.

    While somebody reads, some of it stays until the next time.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def migrate(engine: Engine) -> None:
    """Bring the tables up to date; several gateways may do so at once.

    Raises:
        ConfigError: The database cannot be reached or refuses, or is of a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with transaction(engine, Lock.MIGRATION) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError:
        shown = engine.url.render_as_string(hide_password=True)
        raise ConfigError(
            f"the store at {shown} was brought up to date by a newer genrec; upgrade this one"
        ) from None
    except OperationalError as error:
        shown = engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigError(
            f"the store at {shown} cannot be used ({reason}); see docs/serve.md"
        ) from None
