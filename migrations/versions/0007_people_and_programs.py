"""Users can be disabled and their tokens made void; programs get tokens of their own. Old code knows neither."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them; tokens that were given out before are of epoch 0 and stay good."""
    for statement in (
        """ALTER TABLE users
            ADD COLUMN disabled BOOLEAN NOT NULL DEFAULT false,
            ADD COLUMN token_epoch BIGINT NOT NULL DEFAULT 0""",
        """CREATE TABLE api_tokens (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            name TEXT NOT NULL,
            role TEXT NOT NULL,
            hash BYTEA NOT NULL,
            hint TEXT NOT NULL,
            created_by TEXT NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            expires_at TIMESTAMP WITH TIME ZONE,
            revoked_at TIMESTAMP WITH TIME ZONE,
            last_used_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_api_tokens PRIMARY KEY (id),
            CONSTRAINT uq_api_tokens_hash UNIQUE (hash),
            CONSTRAINT ck_api_tokens_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
            CONSTRAINT ck_api_tokens_role CHECK (role IN ('operator', 'supervisor', 'admin', 'auditor'))
        )""",
        "GRANT SELECT, INSERT, UPDATE (revoked_at, last_used_at) ON api_tokens TO pbx112_service",
    ):
        op.execute(statement)


def downgrade() -> None:
    """Take them away; who was disabled may sign in again."""
    op.execute("DROP TABLE api_tokens")
    op.execute("ALTER TABLE users DROP COLUMN token_epoch, DROP COLUMN disabled")
