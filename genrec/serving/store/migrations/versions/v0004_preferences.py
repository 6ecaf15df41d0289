"""What users say of their own profiles."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "preferences",
        sa.Column("user_id", ID, primary_key=True),
        sa.Column("preferences", sa.JSON(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("preferences")
