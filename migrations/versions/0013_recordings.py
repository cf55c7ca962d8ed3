"""Recordings: which queues record, what the journal tells of each file, and what was found of it afterwards."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; nothing is recorded until an admin says so, and old code records nothing."""
    op.execute("ALTER TABLE queues ADD COLUMN recording BOOLEAN NOT NULL DEFAULT false")
    op.execute("ALTER TABLE calls ADD COLUMN recordings JSONB NOT NULL DEFAULT '[]'")
    op.execute(
        """
        CREATE TABLE recordings (
            call_id UUID NOT NULL CONSTRAINT fk_recordings_call_id REFERENCES calls (id) ON DELETE CASCADE,
            file TEXT NOT NULL,
            node TEXT NOT NULL,
            kind TEXT NOT NULL CONSTRAINT ck_recordings_kind CHECK (kind IN ('caller', 'briefing')),
            started_at TIMESTAMPTZ NOT NULL,
            ended_at TIMESTAMPTZ,
            due_at TIMESTAMPTZ NOT NULL,
            expected_ms BIGINT,
            bytes BIGINT,
            duration_ms BIGINT,
            sha256 TEXT CONSTRAINT ck_recordings_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
            state TEXT CONSTRAINT ck_recordings_state CHECK (state IN ('ok', 'missing', 'short')),
            checked_at TIMESTAMPTZ,
            CONSTRAINT ck_recordings_checked CHECK ((state IS NULL) = (checked_at IS NULL)),
            CONSTRAINT pk_recordings PRIMARY KEY (call_id, file)
        )
        """
    )
    op.execute("CREATE INDEX ix_recordings_due ON recordings (node, due_at) WHERE checked_at IS NULL")
    op.execute("CREATE INDEX ix_recordings_checked ON recordings (node, checked_at) WHERE checked_at IS NOT NULL")
    op.execute("GRANT SELECT, INSERT, UPDATE ON recordings TO pbx112_service")


def downgrade() -> None:
    """Take them away; the files stay, and their names are in the events."""
    op.execute("DROP TABLE recordings")
    op.execute("ALTER TABLE calls DROP COLUMN recordings")
    op.execute("ALTER TABLE queues DROP COLUMN recording")
