"""Events by time, for what is measured online."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_events_time", "events", ["timestamp"])


def downgrade() -> None:
    """Remove it."""
    op.drop_index("ix_events_time", "events")
