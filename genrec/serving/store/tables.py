"""The tables of the store, once, for every database."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

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
    Index("ix_events_user", "user_id", "timestamp", "number"),
)
"""What users did; ``number`` is the order of arrival."""

ITEMS = Table(
    "items",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("item_id", Text, nullable=False, unique=True),
    Column("title", Text),
    Column("brand", Text),
    Column("categories", JSON, nullable=False),
    Column("description", Text),
    Column("text", Text),
    Column("index_hash", Text, nullable=False),
    Column("semantic_id", Text, nullable=False),
    UniqueConstraint("index_hash", "semantic_id", name="uq_items_semantic_id"),
)
"""Items added while serving, with their codes ("26-15-4") in the table of ``index_hash``."""

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

FORGOTTEN = Table(
    "forgotten_users",
    METADATA,
    Column("user_hash", Text, primary_key=True),
)
"""SHA-256 of the IDs of users who were deleted: not even their ID stays."""
