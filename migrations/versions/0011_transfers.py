"""A call record tells its transfers to agencies; old code leaves the list empty."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and an index of the transfers that an operator and an agency may still be in."""
    op.execute("ALTER TABLE calls ADD COLUMN transfers JSONB NOT NULL DEFAULT '[]'")
    op.execute("""CREATE INDEX ix_calls_open_transfers ON calls (node) WHERE transfers @> '[{"ended_at": null}]'""")


def downgrade() -> None:
    """Take them away; what was folded comes back from the events."""
    op.execute("DROP INDEX ix_calls_open_transfers")
    op.execute("ALTER TABLE calls DROP COLUMN transfers")
