"""How an agency is reached: a code on the operators' phones, ring time, a key to press; lines that are numbers."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; old code goes on with accounts only."""
    op.execute(
        "ALTER TABLE agencies ADD COLUMN code TEXT NOT NULL DEFAULT '', "
        "ADD COLUMN ring_seconds INTEGER NOT NULL DEFAULT 20, ADD COLUMN confirm BOOLEAN NOT NULL DEFAULT false, "
        "ADD COLUMN blind BOOLEAN NOT NULL DEFAULT false"
    )
    op.execute("ALTER TABLE agency_lines DROP CONSTRAINT ck_agency_lines_name")
    op.execute("ALTER TABLE agency_lines ADD CONSTRAINT ck_agency_lines_name CHECK (length(name) BETWEEN 1 AND 60)")


def downgrade() -> None:
    """Take them away; lines that are numbers go with them."""
    op.execute("DELETE FROM agency_lines WHERE name !~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'")
    op.execute("ALTER TABLE agency_lines DROP CONSTRAINT ck_agency_lines_name")
    op.execute(
        "ALTER TABLE agency_lines ADD CONSTRAINT ck_agency_lines_name "
        "CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$')"
    )
    op.execute(
        "ALTER TABLE agencies DROP COLUMN code, DROP COLUMN ring_seconds, DROP COLUMN confirm, DROP COLUMN blind"
    )
