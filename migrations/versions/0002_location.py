"""Where the caller is. With a default, so that the code of before goes on writing calls beside the new one."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; `pbx112 calls --rebuild` fills it for the calls of before."""
    op.execute("ALTER TABLE calls ADD COLUMN location JSONB NOT NULL DEFAULT '[]'")


def downgrade() -> None:
    """Take the column away; it comes back from the events."""
    op.execute("ALTER TABLE calls DROP COLUMN location")
