"""The caller known again, called back, and where he is; each new column has a default, so old code goes on writing."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE calls
    ADD COLUMN marks JSONB NOT NULL
        DEFAULT '{"priority": null, "resource_priority": [], "additional_data": [], "forwarded_by": []}',
    ADD COLUMN reordered JSONB,
    ADD COLUMN silent_checks JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN callback_of UUID,
    ADD COLUMN number_key TEXT,
    ADD COLUMN imei_key TEXT;
CREATE INDEX ix_calls_number_key_received_at ON calls (number_key, received_at);
CREATE INDEX ix_calls_imei_key_received_at ON calls (imei_key, received_at);
CREATE INDEX ix_calls_callback_of ON calls (callback_of);
CREATE INDEX ix_calls_reached_number ON calls (number_key, answered_at) WHERE answered_at IS NOT NULL AND NOT drill;
CREATE INDEX ix_calls_reached_imei ON calls (imei_key, answered_at) WHERE answered_at IS NOT NULL AND NOT drill;

ALTER TABLE trunks
    ADD COLUMN from_trusted BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN outbound TEXT;
ALTER TABLE queues
    ADD COLUMN silent_wait_seconds INTEGER NOT NULL DEFAULT 6,
    ADD COLUMN silent_repeats INTEGER NOT NULL DEFAULT 2;

CREATE TABLE abandoned (
    call_id UUID NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    number_key TEXT,
    imei_key TEXT,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by TEXT,
    result TEXT,
    note TEXT,
    CONSTRAINT pk_abandoned PRIMARY KEY (call_id),
    CONSTRAINT fk_abandoned_call_id FOREIGN KEY (call_id) REFERENCES calls (id) ON DELETE CASCADE
);
CREATE INDEX ix_abandoned_open ON abandoned (received_at) WHERE closed_at IS NULL;
CREATE INDEX ix_abandoned_open_number_key ON abandoned (number_key) WHERE closed_at IS NULL;
CREATE INDEX ix_abandoned_open_imei_key ON abandoned (imei_key) WHERE closed_at IS NULL;

UPDATE calls SET
    number_key = CASE caller_class
        WHEN 'pseudo_ani' THEN 'pseudo:' || number
        WHEN 'untrusted_claim' THEN 'claim:' || number
        ELSE CASE WHEN number !~ '^[+][1-9][0-9]{7,14}$' THEN 'code:' || number
            WHEN caller ->> 'callback_number' IS NULL THEN 'claim:' || number ELSE number END
        END,
    imei_key = CASE caller_class WHEN 'untrusted_claim' THEN 'claim:' ELSE '' END
        || substring(regexp_replace(caller ->> 'imei', '[^0-9]', '', 'g') FROM '^[0-9]{14}');
INSERT INTO abandoned (call_id, received_at, number_key, imei_key)
    SELECT id, received_at, number_key, imei_key FROM calls
    WHERE state = 'ended' AND answered_at IS NULL AND NOT drill;

CREATE TABLE callbacks (
    id UUID NOT NULL,
    call_id UUID NOT NULL,
    operator TEXT NOT NULL,
    number TEXT NOT NULL,
    trunk TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    lease_until TIMESTAMP WITH TIME ZONE NOT NULL,
    state TEXT NOT NULL,
    CONSTRAINT pk_callbacks PRIMARY KEY (id),
    CONSTRAINT fk_callbacks_call_id FOREIGN KEY (call_id) REFERENCES calls (id)
);
CREATE INDEX ix_callbacks_call_id_requested_at ON callbacks (call_id, requested_at);

CREATE TABLE cells (
    mcc TEXT NOT NULL,
    mnc TEXT NOT NULL,
    tac BIGINT NOT NULL,
    cell_id BIGINT NOT NULL,
    lat DOUBLE PRECISION NOT NULL,
    lon DOUBLE PRECISION NOT NULL,
    radius_m DOUBLE PRECISION,
    name TEXT,
    CONSTRAINT pk_cells PRIMARY KEY (mcc, mnc, tac, cell_id)
);

CREATE TABLE rules (
    one BOOLEAN NOT NULL DEFAULT true,
    version BIGINT NOT NULL,
    body JSONB NOT NULL,
    CONSTRAINT pk_rules PRIMARY KEY (one),
    CONSTRAINT ck_rules_one_row CHECK (one)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON abandoned, callbacks, cells, rules TO pbx112_service;
"""


def upgrade() -> None:
    """Add tables and columns, and fill them for the calls of before."""
    for statement in UPGRADE.split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Take them away; what was folded comes back from the events."""
    op.execute("DROP TABLE rules, cells, callbacks, abandoned")
    op.execute("ALTER TABLE queues DROP COLUMN silent_wait_seconds, DROP COLUMN silent_repeats")
    op.execute("ALTER TABLE trunks DROP COLUMN from_trusted, DROP COLUMN outbound")
    op.execute(
        "ALTER TABLE calls DROP COLUMN marks, DROP COLUMN reordered, DROP COLUMN silent_checks, "
        "DROP COLUMN callback_of, DROP COLUMN number_key, DROP COLUMN imei_key"
    )
