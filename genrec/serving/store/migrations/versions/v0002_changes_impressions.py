"""One log of changes in place of the table of items; impressions; the store's own ID."""

import time
import uuid

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
WORDS = ("title", "brand", "categories", "description", "text")


def upgrade() -> None:
    """Make the tables, and bring the items into the log."""
    changes = op.create_table(
        "changes",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("first", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", ID, nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("kind", "subject", name="uq_changes_subject"),
    )
    op.create_table(
        "impressions",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("recommendation_id", sa.Text(), nullable=False, unique=True),
        sa.Column("user_id", ID),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text()),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_impressions_user", "impressions", ["user_id", "time"])
    op.create_index("ix_impressions_time", "impressions", ["time"])
    identity = op.create_table("store", sa.Column("store_id", sa.Text(), primary_key=True))
    op.bulk_insert(identity, [{"store_id": uuid.uuid4().hex}])
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    # SQLite gives the number of a deleted last row again unless the table says AUTOINCREMENT, and
    # who has read "all events up to number 7" would miss the next one. Only a copy can say it.
    with op.batch_alter_table(
        "events",
        recreate="always" if is_sqlite else "never",
        table_kwargs={"sqlite_autoincrement": True},
    ) as events:
        events.add_column(sa.Column("recommendation_id", sa.Text()))
    op.add_column(
        "forgotten_users", sa.Column("times", sa.Integer(), nullable=False, server_default="1")
    )
    _move_items(changes)
    op.drop_table("items")


def _move_items(changes: sa.Table) -> None:
    items = sa.table(
        "items",
        *(sa.column(name) for name in ("number", "item_id", "index_hash", "semantic_id")),
        *(sa.column(name, sa.JSON() if name == "categories" else None) for name in WORDS),
    )
    rows = op.get_bind().execute(sa.select(items).order_by(items.c.number)).mappings()
    moved = [
        {
            "number": number,
            "first": number,
            "kind": "item",
            "subject": row["item_id"],
            "body": {
                "words": {name: row[name] for name in WORDS},
                "codes": {row["index_hash"]: [int(code) for code in row["semantic_id"].split("-")]},
            },
            "time": int(time.time()),
        }
        for number, row in enumerate(rows, 1)
    ]
    if moved:
        op.bulk_insert(changes, moved)


def downgrade() -> None:
    """Refuse.

    Raises:
        NotImplementedError: The older tables cannot hold what the log holds.
    """
    raise NotImplementedError("an older genrec cannot read this store: restore a backup of it")
