"""What an admin edits: skills, overflow tiers, entry rules, calendars, surge; and which version was applied when."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE queues
    ADD COLUMN skill TEXT,
    ADD COLUMN widening JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN tiers JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN missed_offers INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN comfort TEXT NOT NULL DEFAULT '';
ALTER TABLE operators
    ADD COLUMN skills JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN supervisor BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE configuration
    ADD COLUMN surge BOOLEAN NOT NULL DEFAULT false;

CREATE TABLE entry_rules (
    position INTEGER NOT NULL,
    queue TEXT NOT NULL,
    trunk TEXT,
    dialled TEXT,
    service TEXT,
    language TEXT,
    priority INTEGER,
    CONSTRAINT pk_entry_rules PRIMARY KEY (position),
    CONSTRAINT fk_entry_rules_queue FOREIGN KEY (queue) REFERENCES queues (name) ON DELETE CASCADE,
    CONSTRAINT fk_entry_rules_trunk FOREIGN KEY (trunk) REFERENCES trunks (name) ON DELETE CASCADE,
    CONSTRAINT ck_entry_rules_priority CHECK (priority BETWEEN -100 AND 100)
);
CREATE TABLE calendars (
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    shifts JSONB NOT NULL,
    CONSTRAINT pk_calendars PRIMARY KEY (name),
    CONSTRAINT ck_calendars_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
    CONSTRAINT ck_calendars_shifts CHECK (jsonb_typeof(shifts) = 'array')
);
CREATE TABLE configuration_applications (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    version BIGINT NOT NULL,
    node TEXT NOT NULL,
    who TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    state TEXT NOT NULL,
    told JSONB NOT NULL,
    CONSTRAINT pk_configuration_applications PRIMARY KEY (id),
    CONSTRAINT fk_configuration_applications_version FOREIGN KEY (version) REFERENCES configuration_versions (id),
    CONSTRAINT ck_configuration_applications_state CHECK (state IN ('applied', 'failed'))
);
CREATE INDEX ix_configuration_applications_node_id ON configuration_applications (node, id);

GRANT SELECT, INSERT, UPDATE, DELETE ON entry_rules, calendars TO pbx112_service;
GRANT SELECT, INSERT ON configuration_applications TO pbx112_service;
"""

DOWNGRADE = """
DROP TABLE configuration_applications;
DROP TABLE calendars;
DROP TABLE entry_rules;
ALTER TABLE configuration DROP COLUMN surge;
ALTER TABLE operators DROP COLUMN supervisor, DROP COLUMN skills;
ALTER TABLE queues
    DROP COLUMN comfort, DROP COLUMN missed_offers, DROP COLUMN tiers, DROP COLUMN widening, DROP COLUMN skill;
"""


def upgrade() -> None:
    """Make them."""
    _run(UPGRADE)


def downgrade() -> None:
    """Take them away again."""
    _run(DOWNGRADE)


def _run(statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            op.execute(statement)
