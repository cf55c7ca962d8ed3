"""The audit as a chain: each row gets the hash of itself and of the row before it, when its transaction commits.

The chain stands in a table of its own, and code of before, which inserts into `audit` without knowing of it, is chained
like any other. The link is made by a deferred trigger, inside COMMIT: two nodes that write at once make no fork, no
lock is held while a client thinks, and so no deadlock can come of it. What stood in the audit before the chain is
covered by the chain's first row, which holds the digest of all of it.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE audit_chain (
    position BIGINT NOT NULL,
    audit_id BIGINT NOT NULL,
    prev_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit_chain PRIMARY KEY (position),
    CONSTRAINT uq_audit_chain_audit_id UNIQUE (audit_id)
)
"""

# Each field as its length in bytes, a colon and its text; `-` for NULL. `domain/audit_chain.py` says the same.
CONTENT = """
CREATE FUNCTION {schema}.audit_content(place BIGINT, entry {schema}.audit) RETURNS BYTEA
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC'
AS $body$
    SELECT convert_to(string_agg(coalesce(octet_length(convert_to(part, 'UTF8')) || ':' || part, '-'), ''
                                 ORDER BY number), 'UTF8')
      FROM unnest(ARRAY[place::text, entry.id::text, entry.at::text, entry.who, entry.action, entry.subject,
                        entry.before::text, entry.after::text]) WITH ORDINALITY AS parts (part, number)
$body$
"""

# A transaction with an older snapshot meets the primary key, not a fork.
LINK = """
CREATE FUNCTION {schema}.audit_link() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    last_position BIGINT;
    last_hash BYTEA;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('pbx112 audit', 0));
    SELECT position, hash INTO last_position, last_hash
      FROM {schema}.audit_chain ORDER BY position DESC LIMIT 1;
    last_position := coalesce(last_position, 0);
    last_hash := coalesce(last_hash, decode(repeat('00', 32), 'hex'));
    INSERT INTO {schema}.audit_chain (position, audit_id, prev_hash, hash)
    VALUES (last_position + 1, NEW.id, last_hash,
            sha256(last_hash || {schema}.audit_content(last_position + 1, NEW)));
    RETURN NULL;
END
$body$
"""

TRIGGER = """
CREATE CONSTRAINT TRIGGER audit_is_chained AFTER INSERT ON audit
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.audit_link()
"""

BEGIN_WITH = """
DO $body$
DECLARE
    entry {schema}.audit;
    digest BYTEA := decode(repeat('00', 32), 'hex');
    counted BIGINT := 0;
BEGIN
    FOR entry IN SELECT * FROM {schema}.audit ORDER BY id LOOP
        digest := sha256(digest || {schema}.audit_content(0, entry));
        counted := counted + 1;
    END LOOP;
    IF counted > 0 THEN
        INSERT INTO {schema}.audit (who, action, subject, after)
        VALUES ('migration', 'audit.chain', 'the rows before',
                jsonb_build_object('rows', counted, 'last_id', entry.id, 'sha256', encode(digest, 'hex')));
    END IF;
END
$body$
"""


def upgrade() -> None:
    """Make the chain and begin it; writers of the audit wait for this transaction."""
    schema = '"' + op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one().replace('"', '""') + '"'
    for statement in (
        TABLE,
        CONTENT,
        LINK,
        # Whoever may call the link function could give it rows of a table of his own.
        "REVOKE ALL ON FUNCTION {schema}.audit_link() FROM PUBLIC",
        TRIGGER,
        BEGIN_WITH,
        "SET CONSTRAINTS audit_is_chained IMMEDIATE",
        "GRANT SELECT ON audit_chain TO pbx112_service",
    ):
        op.execute(statement.replace("{schema}", schema))


def downgrade() -> None:
    """Take the chain away; the audit itself stays."""
    for statement in (
        "DROP TRIGGER audit_is_chained ON audit",
        "DROP FUNCTION audit_link()",
        "DROP FUNCTION audit_content(BIGINT, audit)",
        "DROP TABLE audit_chain",
    ):
        op.execute(statement)
