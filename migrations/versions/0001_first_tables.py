"""The first tables: the journal, what is folded from it, the configuration, people, the audit."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE events (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    node TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    kind TEXT NOT NULL,
    linked_id TEXT NOT NULL,
    unique_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    file_id TEXT NOT NULL,
    file_offset BIGINT NOT NULL,
    body JSONB NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (id),
    CONSTRAINT uq_events_node_file_id_file_offset UNIQUE (node, file_id, file_offset)
);
CREATE INDEX ix_events_node_linked_id ON events (node, linked_id);

CREATE TABLE calls (
    id UUID NOT NULL,
    node TEXT NOT NULL,
    linkedid TEXT NOT NULL,
    sip_call_id TEXT,
    trunk TEXT,
    direction TEXT NOT NULL,
    service TEXT NOT NULL,
    drill BOOLEAN NOT NULL,
    caller JSONB NOT NULL,
    caller_class TEXT NOT NULL,
    number TEXT,
    intake TEXT NOT NULL,
    queue TEXT,
    priority INTEGER,
    state TEXT NOT NULL,
    outcome TEXT,
    operator TEXT,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    queued_at TIMESTAMP WITH TIME ZONE,
    answered_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    wait_ms BIGINT,
    talk_ms BIGINT,
    hangup_cause INTEGER,
    hangup_by TEXT,
    offers JSONB NOT NULL,
    CONSTRAINT pk_calls PRIMARY KEY (id),
    CONSTRAINT uq_calls_node_linkedid UNIQUE (node, linkedid),
    CONSTRAINT ck_calls_outcome_iff_ended CHECK ((state = 'ended') = (outcome IS NOT NULL))
);
CREATE INDEX ix_calls_number ON calls (number);
CREATE INDEX ix_calls_operator ON calls (operator);
CREATE INDEX ix_calls_received_at_id ON calls (received_at DESC, id DESC);
CREATE INDEX ix_calls_state ON calls (state);

CREATE TABLE call_annotations (
    call_id UUID NOT NULL,
    category TEXT,
    notes TEXT,
    disposition TEXT,
    version INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_call_annotations PRIMARY KEY (call_id),
    CONSTRAINT fk_call_annotations_call_id FOREIGN KEY(call_id) REFERENCES calls (id)
);

CREATE TABLE journal_position (
    node TEXT NOT NULL,
    file_id TEXT,
    name TEXT,
    inode BIGINT,
    "offset" BIGINT DEFAULT 0 NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE,
    turn BIGINT DEFAULT 0 NOT NULL,
    updated TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_journal_position PRIMARY KEY (node)
);

CREATE TABLE journal_gaps (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    node TEXT NOT NULL,
    "from" TIMESTAMP WITH TIME ZONE,
    until TIMESTAMP WITH TIME ZONE,
    reason TEXT NOT NULL,
    noticed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_journal_gaps PRIMARY KEY (id)
);

CREATE TABLE dead_letters (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    node TEXT NOT NULL,
    file_id TEXT NOT NULL,
    file_name TEXT NOT NULL,
    file_offset BIGINT NOT NULL,
    length BIGINT NOT NULL,
    reason TEXT NOT NULL,
    raw BYTEA NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_dead_letters PRIMARY KEY (id),
    CONSTRAINT uq_dead_letters_node_file_id_file_offset UNIQUE (node, file_id, file_offset)
);

CREATE TABLE queues (
    name TEXT NOT NULL CONSTRAINT ck_queues_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
    position INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    strategy TEXT NOT NULL,
    ring_seconds INTEGER NOT NULL CONSTRAINT ck_queues_ring_seconds CHECK (ring_seconds > 0),
    retry_seconds INTEGER NOT NULL CONSTRAINT ck_queues_retry_seconds CHECK (retry_seconds >= 0),
    wrapup_seconds INTEGER NOT NULL CONSTRAINT ck_queues_wrapup_seconds CHECK (wrapup_seconds >= 0),
    answer_mode TEXT NOT NULL,
    answer_after_seconds INTEGER NOT NULL CONSTRAINT ck_queues_answer_after_seconds CHECK (answer_after_seconds >= 0),
    priority INTEGER NOT NULL,
    language TEXT NOT NULL,
    overflow TEXT[] NOT NULL,
    service_level_seconds INTEGER NOT NULL,
    CONSTRAINT pk_queues PRIMARY KEY (name)
);

CREATE TABLE trunks (
    name TEXT NOT NULL CONSTRAINT ck_trunks_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
    position INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    sources TEXT[] NOT NULL,
    trusted BOOLEAN NOT NULL,
    number_format TEXT NOT NULL,
    pseudo_patterns TEXT[] NOT NULL,
    drill BOOLEAN NOT NULL,
    CONSTRAINT pk_trunks PRIMARY KEY (name)
);

CREATE TABLE operators (
    name TEXT NOT NULL CONSTRAINT ck_operators_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
    position INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    extension TEXT NOT NULL,
    language TEXT NOT NULL,
    CONSTRAINT pk_operators PRIMARY KEY (name),
    CONSTRAINT uq_operators_extension UNIQUE (extension)
);

CREATE TABLE memberships (
    operator TEXT NOT NULL,
    queue TEXT NOT NULL,
    position INTEGER NOT NULL,
    penalty SMALLINT NOT NULL CONSTRAINT ck_memberships_penalty CHECK (penalty >= 0),
    CONSTRAINT pk_memberships PRIMARY KEY (operator, queue),
    CONSTRAINT fk_memberships_operator FOREIGN KEY(operator) REFERENCES operators (name),
    CONSTRAINT fk_memberships_queue FOREIGN KEY(queue) REFERENCES queues (name)
);

CREATE TABLE agencies (
    name TEXT NOT NULL CONSTRAINT ck_agencies_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
    position INTEGER NOT NULL,
    display_name TEXT NOT NULL,
    CONSTRAINT pk_agencies PRIMARY KEY (name)
);

CREATE TABLE agency_lines (
    name TEXT NOT NULL CONSTRAINT ck_agency_lines_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
    agency TEXT NOT NULL,
    position INTEGER NOT NULL,
    CONSTRAINT pk_agency_lines PRIMARY KEY (name),
    CONSTRAINT fk_agency_lines_agency FOREIGN KEY(agency) REFERENCES agencies (name)
);

CREATE TABLE configuration (
    one BOOLEAN DEFAULT true NOT NULL CONSTRAINT ck_configuration_one_row CHECK (one),
    version BIGINT NOT NULL,
    default_queue TEXT NOT NULL,
    CONSTRAINT pk_configuration PRIMARY KEY (one),
    CONSTRAINT fk_configuration_default_queue FOREIGN KEY(default_queue) REFERENCES queues (name)
);

CREATE TABLE configuration_versions (
    id BIGINT NOT NULL,
    who TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    body JSONB NOT NULL,
    CONSTRAINT pk_configuration_versions PRIMARY KEY (id)
);

CREATE TABLE users (
    name TEXT NOT NULL CONSTRAINT ck_users_name CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$'),
    role TEXT NOT NULL CONSTRAINT ck_users_role CHECK (role IN ('operator', 'supervisor', 'admin', 'auditor')),
    password_hash TEXT NOT NULL,
    operator TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (name)
);

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    before JSONB,
    after JSONB,
    CONSTRAINT pk_audit PRIMARY KEY (id)
);
CREATE INDEX ix_audit_at ON audit (at);
"""

# The service adds to the journal, the audit and the versions; it can never change or empty them.
RIGHTS = """
GRANT USAGE ON SCHEMA public TO pbx112_service;

GRANT SELECT, INSERT ON events, audit, dead_letters, journal_gaps, configuration_versions TO pbx112_service;

GRANT SELECT, INSERT, UPDATE, DELETE ON
    calls, call_annotations, journal_position, users, configuration,
    trunks, queues, operators, memberships, agencies, agency_lines
    TO pbx112_service;

GRANT SELECT ON alembic_version TO pbx112_service;

GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO pbx112_service;
"""


def upgrade() -> None:
    """Make the tables and give the service its rights."""
    for statement in (TABLES + RIGHTS).split(";"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Refuse: these tables hold the only record of calls."""
    raise NotImplementedError("There is no way back from the first tables; restore a backup instead.")
