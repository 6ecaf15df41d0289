"""The tables of the store, once, for every database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import postgresql, sqlite

METADATA = MetaData()

# SQLite counts rows up by itself only in a column of its type INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")

# IDs in the order of their code points, as Python and SQLite sort them, whatever the locale.
Id = Text().with_variant(Text(collation="C"), "postgresql")

EVENTS = Table(
    "events",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("event_id", Text, nullable=True, unique=True),
    Column("user_id", Id, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("event_type", Text),
    Column("rating", Float),
    Column("title", Text),
    Column("review", Text),
    Column("recommendation_id", Text),
    Column("text", Text),
    Index("ix_events_user", "user_id", "timestamp", "number"),
    Index("ix_events_time", "timestamp"),
    sqlite_autoincrement=True,
)
"""What users did; ``number`` is the order of arrival, and never given twice.

A row with a ``text`` is a search; its ``item_id`` is empty.
"""

CHANGES = Table(
    "changes",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=False),
    Column("first", Number, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Id, nullable=False),
    Column("body", JSON, nullable=False),
    Column("time", BigInteger, nullable=False),
    UniqueConstraint("kind", "subject", name="uq_changes_subject"),
)
"""What gateways tell each other; ``first`` is the number of the subject's first change."""

IMPRESSIONS = Table(
    "impressions",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("recommendation_id", Text, nullable=False, unique=True),
    Column("user_id", Id),
    Column("time", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("items", JSON, nullable=False),
    Column("model", Text, nullable=False),
    Column("adapter", Text),
    Column("arm", Text),
    Column("rules", JSON(none_as_null=True)),
    Column("draws", JSON(none_as_null=True)),
    Column("provenance", JSON(none_as_null=True)),
    Column("arms", JSON(none_as_null=True)),
    Column("draft", JSON(none_as_null=True)),
    Index("ix_impressions_user", "user_id", "time"),
    Index("ix_impressions_time", "time"),
    sqlite_autoincrement=True,
)
"""What was shown: ``items`` holds ID and score of each, by rank; ``times`` how often; ``arms`` the
user's arm in each experiment, while ``arm`` is what the client said; ``draft`` how it was mixed.

By rank too are ``draws`` (how chance put each item there, null where it did not) and ``provenance``
(what brought each, and what each scorer adds).
"""

RULES = Table(
    "rules",
    METADATA,
    Column("name", Id, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("rule", JSON(none_as_null=True)),
    Column("always", Boolean, nullable=False),
    Column("time", BigInteger, nullable=False),
)
"""Every version of every rule; one without ``rule`` says that it was deleted."""

PREFERENCES = Table(
    "preferences",
    METADATA,
    Column("user_id", Id, primary_key=True),
    Column("preferences", JSON, nullable=False),
    Column("time", BigInteger, nullable=False),
)
"""What each user says of their own profile, a list in the language of ``genrec.preferences``."""

DESCRIPTIONS = Table(
    "descriptions",
    METADATA,
    Column("user_id", Id, primary_key=True),
    Column("about", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
)
"""What users say of themselves; one that is empty takes back what prepared data hold."""

JOURNAL = Table(
    "promotions",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("run", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("path", Text),
    Column("content_hash", Text),
    Column("change", Number, unique=True),
    Column("before", Number),
    Column("figures", JSON, nullable=False),
    Index("ix_promotions_run", "run", "number"),
    sqlite_autoincrement=True,
)
"""Every decision about what a run serves; ``change`` is its number in the log of changes."""

FORGOTTEN = Table(
    "forgotten_users",
    METADATA,
    Column("user_hash", Text, primary_key=True),
    Column("times", Integer, nullable=False, server_default="1"),
)
"""SHA-256 of the IDs of users who were deleted, and how often: not even their ID stays."""

STORE = Table("store", METADATA, Column("store_id", Text, primary_key=True))
"""One row: by which prepared data know the store that they were joined with."""

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def upsert(engine: Engine, table: Table) -> Any:
    """Return an insertion of the database at hand, which may say what to do about rows there."""
    return _INSERT[engine.dialect.name](table)
