"""A call record tells the steps of the overflow chain that its caller came to; old code leaves the list empty."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; calls of before had no chain."""
    op.execute("ALTER TABLE calls ADD COLUMN overflows JSONB NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    """Take it away; what was folded comes back from the events."""
    op.execute("ALTER TABLE calls DROP COLUMN overflows")
