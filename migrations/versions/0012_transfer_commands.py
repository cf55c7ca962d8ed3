"""What was asked of a transfer from a desk: a row each, written before Asterisk is."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; old code has no desk that asks."""
    op.execute(
        """
        CREATE TABLE transfer_commands (
            id UUID NOT NULL CONSTRAINT pk_transfer_commands PRIMARY KEY,
            call_id UUID NOT NULL CONSTRAINT fk_transfer_commands_call_id REFERENCES calls (id),
            transfer_id UUID NOT NULL,
            move TEXT NOT NULL
                CONSTRAINT ck_transfer_commands_move CHECK (move IN ('start', 'conference', 'complete', 'cancel')),
            agency TEXT,
            mode TEXT,
            operator TEXT NOT NULL,
            requested_by TEXT NOT NULL,
            requested_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            key TEXT,
            seen TEXT,
            state TEXT NOT NULL CONSTRAINT ck_transfer_commands_state
                CHECK (state IN ('requested', 'sent', 'refused', 'not_sent', 'unknown')),
            error TEXT,
            told TEXT
        )
        """
    )
    op.execute("CREATE INDEX ix_transfer_commands_call_id_requested_at ON transfer_commands (call_id, requested_at)")
    op.execute("CREATE UNIQUE INDEX uq_transfer_commands_key ON transfer_commands (call_id, requested_by, key)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON transfer_commands TO pbx112_service")


def downgrade() -> None:
    """Drop the table; what Asterisk did of it stands in the call records."""
    op.execute("DROP TABLE transfer_commands")
