"""Searches among the events."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make room for their text."""
    op.add_column("events", sa.Column("text", sa.Text()))


def downgrade() -> None:
    """Remove searches, which have no item, and their column."""
    op.execute("DELETE FROM events WHERE text IS NOT NULL")
    op.drop_column("events", "text")
