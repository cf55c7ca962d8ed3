"""The journal's position knows how far Asterisk's channels are counted; old code leaves the column as it is."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; what was read before is not counted."""
    op.execute("ALTER TABLE journal_position ADD COLUMN channels JSONB")


def downgrade() -> None:
    """Take it away."""
    op.execute("ALTER TABLE journal_position DROP COLUMN channels")
