"""In which arms of experiments a page was shown."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("impressions", sa.Column("arms", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("impressions", "arms")
