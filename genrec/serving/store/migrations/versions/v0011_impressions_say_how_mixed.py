"""How a page was mixed of the lists of two arms."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("impressions", sa.Column("draft", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("impressions", "draft")
