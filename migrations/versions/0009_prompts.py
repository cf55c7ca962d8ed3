"""A centre's own sound prompts, a version for each upload, and who put which version to use; both only added to."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them; files that were put into the state folder by hand go on being heard."""
    for statement in (
        """CREATE TABLE prompts (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            name TEXT NOT NULL,
            language TEXT NOT NULL,
            version INTEGER NOT NULL,
            who TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            sha256 BYTEA NOT NULL,
            duration_ms INTEGER NOT NULL,
            file_name TEXT NOT NULL,
            wav BYTEA NOT NULL,
            CONSTRAINT pk_prompts PRIMARY KEY (id),
            CONSTRAINT uq_prompts_name_language_version UNIQUE (name, language, version),
            CONSTRAINT ck_prompts_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$'),
            CONSTRAINT ck_prompts_language CHECK (language IN ('id', 'en')),
            CONSTRAINT ck_prompts_version CHECK (version > 0),
            CONSTRAINT ck_prompts_sha256 CHECK (sha256 = sha256(wav)),
            CONSTRAINT ck_prompts_file_name CHECK (length(file_name) <= 120)
        )""",
        """CREATE TABLE prompt_uses (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            name TEXT NOT NULL,
            language TEXT NOT NULL,
            version INTEGER NOT NULL,
            who TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            CONSTRAINT pk_prompt_uses PRIMARY KEY (id),
            CONSTRAINT fk_prompt_uses_name FOREIGN KEY (name, language, version)
                REFERENCES prompts (name, language, version)
        )""",
        "CREATE INDEX ix_prompt_uses_name_language_id ON prompt_uses (name, language, id)",
        # A sound is compressed badly, and read whole.
        "ALTER TABLE prompts ALTER COLUMN wav SET STORAGE EXTERNAL",
        "GRANT SELECT, INSERT ON prompts, prompt_uses TO pbx112_service",
    ):
        op.execute(statement)


def downgrade() -> None:
    """Take them away, and every recording with them."""
    op.execute("DROP TABLE prompt_uses")
    op.execute("DROP TABLE prompts")
