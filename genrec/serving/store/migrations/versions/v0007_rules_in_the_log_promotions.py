"""The rules that hold now are in the log; a journal of what was promoted, and why."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CHANGES = sa.table(
    "changes",
    *(sa.column(name) for name in ("number", "first", "kind", "subject", "time")),
    sa.column("body", sa.JSON()),
)
RULES = sa.table(
    "rules",
    *(sa.column(name) for name in ("name", "version", "time")),
    sa.column("always", sa.Boolean()),
    sa.column("rule", sa.JSON(none_as_null=True)),
)


def upgrade() -> None:
    """Make the table, and tell the log of the rules."""
    op.create_table(
        "promotions",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("path", sa.Text()),
        sa.Column("content_hash", sa.Text()),
        sa.Column("change", NUMBER, unique=True),
        sa.Column("before", NUMBER),
        sa.Column("figures", sa.JSON(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_promotions_run", "promotions", ["run", "number"])
    connection = op.get_bind()
    head = connection.scalar(sa.select(sa.func.max(CHANGES.c.number))) or 0
    every = connection.execute(sa.select(RULES).order_by(RULES.c.version)).mappings()
    newest = {row["name"]: row for row in every}
    told = [
        {
            "number": number,
            "first": number,
            "kind": "rule",
            "subject": name,
            "body": {each: row[each] for each in ("version", "rule", "always", "time")},
            "time": int(time.time()),
        }
        for number, (name, row) in enumerate(sorted(newest.items()), head + 1)
    ]
    if told:
        op.bulk_insert(CHANGES, told)


def downgrade() -> None:
    """Take the rules out of the log again, and remove the table."""
    op.execute(CHANGES.delete().where(CHANGES.c.kind == "rule"))
    op.drop_index("ix_promotions_run", "promotions")
    op.drop_table("promotions")
