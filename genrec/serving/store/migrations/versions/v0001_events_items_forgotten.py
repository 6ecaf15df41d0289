"""Events, items added while serving, forgotten users."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the three tables."""
    op.create_table(
        "events",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.Text(), nullable=True, unique=True),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("event_type", sa.Text()),
        sa.Column("rating", sa.Float()),
        sa.Column("title", sa.Text()),
        sa.Column("review", sa.Text()),
    )
    op.create_index("ix_events_user", "events", ["user_id", "timestamp", "number"])
    op.create_table(
        "items",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("item_id", sa.Text(), nullable=False, unique=True),
        sa.Column("title", sa.Text()),
        sa.Column("brand", sa.Text()),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("text", sa.Text()),
        sa.Column("index_hash", sa.Text(), nullable=False),
        sa.Column("semantic_id", sa.Text(), nullable=False),
        sa.UniqueConstraint("index_hash", "semantic_id", name="uq_items_semantic_id"),
    )
    op.create_table(
        "forgotten_users",
        sa.Column("user_hash", sa.Text(), primary_key=True),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("forgotten_users")
    op.drop_table("items")
    op.drop_table("events")
