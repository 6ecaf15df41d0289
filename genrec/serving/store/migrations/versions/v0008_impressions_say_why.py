"""Impressions keep arm, rules, how chance chose, and which scorer brought each item."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS = ("rules", "draws", "provenance")


def upgrade() -> None:
    """Make room; of what was shown before nothing of it is known."""
    op.add_column("impressions", sa.Column("arm", sa.Text()))
    for name in COLUMNS:
        op.add_column("impressions", sa.Column(name, sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Remove the columns."""
    for name in (*COLUMNS, "arm"):
        op.drop_column("impressions", name)
